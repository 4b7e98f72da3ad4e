/**
 * A worker that is one thread of a model; see `threads.ts`.
 *
 * **Replay**: every operation of `Atomics` waits for its turn in the script, is
 * done by the host, and passes the turn on. `wait` and `notify` are two steps and
 * one, over a list of waiters kept in the control words, because nobody can tell
 * from outside whether a thread has fallen asleep.
 *
 * **Stress**: the body as it is, on one instance after another, in step with the
 * other workers every few instances.
 *
 * **Layout of the control words** (replay): `turn`, `order`, then four words per
 * thread: address waited on plus one, place in the list, notified, unused.
 * (Stress): `batch`, `arrived`, `sense`, unused, then one word per thread.
 *
 * @internal
 */
import { parentPort, workerData } from "node:worker_threads"
import type { Model, Threads } from "../Model.ts"

interface Common {
  readonly module: string
  readonly name: string
  readonly thread: number
  readonly threadName: string
  readonly control: SharedArrayBuffer
}

export type WorkerData =
  | (Common & {
      readonly _tag: "Replay"
      readonly state: unknown
      readonly buffers: ReadonlyArray<SharedArrayBuffer>
      readonly path: ReadonlyArray<number>
      /** Answers of `choose`, and the number of steps before dying, by thread. */
      readonly choices: ReadonlyArray<ReadonlyArray<number>>
      readonly deaths: ReadonlyArray<number>
    })
  | (Common & {
      readonly _tag: "Stress"
      readonly states: ReadonlyArray<unknown>
      readonly threads: number
      readonly seed: number
    })

export type WorkerMessage =
  | { readonly _tag: "Done"; readonly results: ReadonlyArray<unknown> }
  | { readonly _tag: "Threw"; readonly message: string }
  | { readonly _tag: "Died" }
  | { readonly _tag: "Ready" }
  | { readonly _tag: "Stuck" }

const DEATH = Symbol("death")

const bodyOf = async (data: WorkerData): Promise<(state: unknown) => unknown> => {
  const module = (await import(data.module)) as Record<string, Model<unknown, Threads<unknown>>>
  const thread = module[data.name]?.threads[data.threadName]
  const run = typeof thread === "function" ? thread : thread?.run
  if (run === undefined) throw new Error(`${data.module} has no thread ${data.threadName} in ${data.name}`)
  return run
}

const say = (message: WorkerMessage): void => parentPort?.postMessage(message)

const describe = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error)

type Operation = (view: Int32Array, index: number, ...rest: ReadonlyArray<never>) => unknown

const replay = async (data: Extract<WorkerData, { readonly _tag: "Replay" }>): Promise<void> => {
  const run = await bodyOf(data)
  const control = new Int32Array(data.control)
  const me = data.thread
  const mine = (thread: number): number => 2 + thread * 4
  const host = {
    load: Atomics.load,
    store: Atomics.store,
    wait: Atomics.wait,
    notify: Atomics.notify,
    add: Atomics.add
  }
  let taken = 0
  const turn = <A>(act: () => A): A => {
    // Nobody's turn until the main thread, which waits for everybody to be ready, has set it to 0.
    for (;;) {
      const at = host.load(control, 0)
      if (data.path[at] === me) break
      host.wait(control, 0, at)
    }
    const dies = data.deaths[me] === taken++
    const answer = dies ? undefined : act()
    if (dies) host.store(control, mine(me), 0)
    host.add(control, 0, 1)
    host.notify(control, 0)
    if (dies) throw DEATH
    return answer as A
  }
  const address = (view: Int32Array, index: number): number => {
    const buffer = data.buffers.indexOf(view.buffer as unknown as SharedArrayBuffer)
    return buffer * 2 ** 24 + view.byteOffset + index * view.BYTES_PER_ELEMENT + 1
  }
  const threads = (control.length - 2) / 4
  const patched = Atomics as unknown as Record<string, Operation>
  const names = ["load", "store", "add", "sub", "and", "or", "xor", "exchange", "compareExchange"]
  for (const name of names) {
    const own = patched[name] as Operation
    patched[name] = (view, index, ...rest) => turn(() => own(view, index, ...rest))
  }
  patched["wait"] = (view, index, ...rest) => {
    const [expected, timeout] = rest as unknown as [number, number | undefined]
    const entered = turn(() => {
      if (host.load(view, index) !== expected) return "not-equal"
      if (timeout !== undefined && timeout <= 0) return "timed-out"
      host.store(control, mine(me), address(view, index))
      host.store(control, mine(me) + 1, host.add(control, 1, 1))
      host.store(control, mine(me) + 2, 0)
      return "asleep"
    })
    if (entered !== "asleep") return entered
    return turn(() => {
      host.store(control, mine(me), 0)
      return host.load(control, mine(me) + 2) === 1 ? "ok" : "timed-out"
    })
  }
  patched["notify"] = (view, index, ...rest) => {
    const count = (rest as unknown as [number | undefined])[0] ?? Infinity
    return turn(() => {
      const at = address(view, index)
      const asleep = Array.from({ length: threads }, (_, t) => t)
        .filter((t) => host.load(control, mine(t)) === at && host.load(control, mine(t) + 2) === 0)
        .toSorted((a, b) => host.load(control, mine(a) + 1) - host.load(control, mine(b) + 1))
      const woken = asleep.slice(0, count)
      for (const t of woken) host.store(control, mine(t) + 2, 1)
      return woken.length
    })
  }
  const choices = [...(data.choices[me] ?? [])]
  ;(globalThis as unknown as Record<symbol, unknown>)[Symbol.for("@selvedge/testing/model/choose")] = () =>
    choices.shift() ?? 0
  say({ _tag: "Ready" })
  try {
    const result = run(data.state)
    say({ _tag: "Done", results: [result] })
  } catch (error) {
    say(error === DEATH ? { _tag: "Died" } : { _tag: "Threw", message: describe(error) })
  }
}

const SYNC_EVERY = 16
const PATIENCE = 20_000

const stress = async (data: Extract<WorkerData, { readonly _tag: "Stress" }>): Promise<void> => {
  const run = await bodyOf(data)
  const control = new Int32Array(data.control)
  let random = (data.seed * 2654435761 + data.thread * 40503) >>> 0
  let batch = 0
  const results: Array<unknown> = Array.from({ length: data.states.length })
  /** Wait a little for the others to come here too; a late one must not stop everybody. */
  const meet = (at: number): void => {
    Atomics.store(control, 4 + data.thread, at)
    for (let other = 0; other < data.threads; other++) {
      for (let i = 0; i < PATIENCE && Atomics.load(control, 4 + other) - at < 0; i++);
    }
  }
  let place = 0
  say({ _tag: "Ready" })
  for (;;) {
    Atomics.wait(control, 0, batch)
    batch = Atomics.load(control, 0)
    for (let i = 0; i < data.states.length; i++) {
      if (i % SYNC_EVERY === 0) meet(++place)
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0
      for (let spin = random >>> 27; spin > 0; spin--) Atomics.load(control, 3)
      try {
        results[i] = run(data.states[i])
      } catch (error) {
        return say({ _tag: "Threw", message: describe(error) })
      }
    }
    say({ _tag: "Done", results })
  }
}

const data = workerData as WorkerData
if (data._tag === "Replay") await replay(data)
else await stress(data)
