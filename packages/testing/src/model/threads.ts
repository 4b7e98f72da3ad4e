/**
 * The same models on real threads: a schedule run again step by step, and stress.
 *
 * The explorer takes turns in one thread and so shows what sequential consistency
 * allows. `replayOnThreads` makes real workers take the same turns with the host's
 * own memory: it answers whether the explorer and the host agree about a schedule.
 * `stressOnThreads` lets them loose: it finds what the hardware does, without any
 * promise to find it.
 *
 * A worker has to find the model by itself: it is given as a module and the name
 * of an export. The state that `setup` returns is posted to the workers, so it may
 * hold buffers, typed arrays and plain data.
 */
import { Worker } from "node:worker_threads"
import { Session } from "./internal/session.ts"
import { install } from "./internal/instrument.ts"
import { definitionsOf } from "./internal/settings.ts"
import type { WorkerData, WorkerMessage } from "./internal/threadWorker.ts"
import type { ExecutionInfo, Model, Threads } from "./Model.ts"
import { ModelError } from "./ModelError.ts"

/**
 * Where a worker finds a model.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelReference {
  /**
   * URL of a module, and the name of its export. A module that awaits at its top level what it does with its own model
   * waits for itself: keep models in modules of their own.
   */
  readonly module: string
  readonly name: string
  /** Flags for the workers; default: this process's. */
  readonly execArgv?: ReadonlyArray<string> | undefined
}

/**
 * What the workers made of a schedule.
 *
 * @category models
 * @since 0.1.0
 */
export interface ThreadReplay {
  /** Every thread took its steps in the order of the schedule, and the outcome is the explorer's. */
  readonly agrees: boolean
  /** Steps taken in order, and how many there were to take. */
  readonly steps: number
  readonly of: number
  /** Whether the model's check failed, here and in the explorer. */
  readonly failed: boolean
  readonly expectedToFail: boolean
  readonly message: string
}

/**
 * What stress saw.
 *
 * @category models
 * @since 0.1.0
 */
export interface StressReport {
  readonly runs: number
  readonly violations: number
  /** The first few, in words. */
  readonly examples: ReadonlyArray<string>
  readonly seconds: number
  /** Seconds until the first violation; -1 without one. */
  readonly firstAfter: number
  readonly seed: number
}

type AnyModel = Model<unknown, Threads<unknown>>

/**
 * The model a reference stands for, as far as it can be checked without running it.
 *
 * **Errors**
 *
 * Rejects with `ModelError` when there is no such export, or it is no model.
 *
 * @category threads
 * @since 0.1.0
 */
export const loadModel = async (reference: ModelReference): Promise<Model<unknown, Threads<unknown>>> => {
  if (typeof reference.module !== "string") {
    const message = "module: wanted the URL of a module as text (`new URL(…).href`)."
    throw new ModelError({ reason: "options", message })
  }
  const module = (await import(reference.module)) as Record<string, unknown>
  const model = module[reference.name]
  if (typeof model !== "object" || model === null || !("threads" in model)) {
    throw new ModelError({
      reason: "options",
      message: `${reference.module} has no model called ${JSON.stringify(reference.name)}.`
    })
  }
  definitionsOf(model as AnyModel)
  return model as AnyModel
}

const silent = { label: () => undefined }

const verdict = (
  model: AnyModel,
  state: unknown,
  results: Record<string, unknown>,
  crashed: ReadonlyArray<string>
): string => {
  const info: ExecutionInfo = { steps: 0, crashed, history: [] }
  try {
    return model.check?.(state, results as never, info) === false ? "the check answered false" : ""
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const start = (reference: ModelReference, data: WorkerData): Worker => {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  const options = reference.execArgv === undefined ? {} : { execArgv: [...reference.execArgv] }
  return new Worker(new URL(`./internal/threadWorker.${extension}`, import.meta.url), { workerData: data, ...options })
}

/** The buffers of a state, for telling the workers which is which. */
const buffersOf = (
  state: unknown,
  found = new Set<SharedArrayBuffer>(),
  seen = new Set<object>()
): Set<SharedArrayBuffer> => {
  if (typeof state !== "object" || state === null || seen.has(state)) return found
  seen.add(state)
  if (state instanceof SharedArrayBuffer) found.add(state)
  else if (ArrayBuffer.isView(state)) buffersOf(state.buffer, found, seen)
  else for (const value of Object.values(state)) buffersOf(value, found, seen)
  return found
}

/** The next message of a worker; `Stuck` when there is none for so long. */
const outcome = (worker: Worker, millis: number): Promise<WorkerMessage> =>
  new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      clearTimeout(timer)
      worker.off("message", told)
      worker.off("error", failed)
      then()
    }
    const told = (message: WorkerMessage): void => settle(() => resolve(message))
    const failed = (error: unknown): void => settle(() => reject(error))
    const timer = setTimeout(() => settle(() => resolve({ _tag: "Stuck" })), millis)
    worker.on("message", told)
    worker.on("error", failed)
  })

/** Workers take their time to start, more so on a busy machine. */
const START_MILLIS = 30_000

const allReady = async (workers: ReadonlyArray<Worker>): Promise<void> => {
  const messages = await Promise.all(workers.map((worker) => outcome(worker, START_MILLIS)))
  for (const message of messages) {
    if (message._tag !== "Ready")
      throw new ModelError({ reason: "misuse", message: `a worker did not start: ${JSON.stringify(message)}` })
  }
}

/**
 * Run a printed schedule on real worker threads, one step at a time. Plain accesses are not steps and are not held back.
 *
 * **Errors**
 *
 * Rejects with `ModelError` when there is no such model, or the schedule does not fit it.
 *
 * @category threads
 * @since 0.1.0
 */
export const replayOnThreads = async (
  reference: ModelReference,
  schedule: string,
  options: { readonly timeoutMillis?: number | undefined } = {}
): Promise<ThreadReplay> => {
  const model = await loadModel(reference)
  const script = scriptOf(model, schedule)
  const names = Object.keys(model.threads)
  const state = model.setup(silent)
  const control = new SharedArrayBuffer(4 * (2 + names.length * 4))
  Atomics.store(new Int32Array(control), 0, -1)
  const buffers = [...buffersOf(state)]
  const workers = names.map((name, thread) =>
    start(reference, {
      _tag: "Replay",
      module: reference.module,
      name: reference.name,
      state,
      buffers,
      thread,
      threadName: name,
      control,
      ...script
    })
  )
  try {
    await allReady(workers)
    const ends = workers.map((worker) => outcome(worker, options.timeoutMillis ?? 3000))
    const turn = new Int32Array(control)
    Atomics.store(turn, 0, 0)
    Atomics.notify(turn, 0)
    const messages = await Promise.all(ends)
    const results: Record<string, unknown> = {}
    let threw = ""
    messages.forEach((message, t) => {
      if (message._tag === "Done") results[names[t] as string] = message.results[0]
      if (message._tag === "Threw") threw = message.message
    })
    const stuck = messages.some((message) => message._tag === "Stuck")
    const steps = Atomics.load(new Int32Array(control), 0)
    const problem = threw || (stuck ? "stuck" : verdict(model, state, results, script.crashed))
    const failed = problem !== ""
    return {
      agrees: failed === script.failed && steps === script.path.length,
      steps,
      of: script.path.length,
      failed,
      expectedToFail: script.failed,
      message: problem
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

/** What each thread does in a schedule, as the explorer does it. */
const scriptOf = (model: AnyModel, schedule: string) => {
  const session = new Session(model, { replay: schedule, races: "off" })
  const recorded = session.record()
  const uninstall = install(session.engine)
  try {
    const step = session.run().next()
    if (step.done !== true) throw new Error("an execution without awaiting has to end at once")
    return { ...recorded(), failed: step.value._tag === "Failed" }
  } finally {
    uninstall()
  }
}

/**
 * Run a model's threads freely on as many workers, again and again, and check every run.
 *
 * **Details**
 *
 * A batch of instances is set up once; every worker runs its body on each of them, side by side with the others, with a
 * little jitter from the seed. Between batches memory is put back as `setup` left it.
 *
 * **Errors**
 *
 * Rejects with `ModelError` for a model with daemons, with `after`, or with bodies that await.
 *
 * @category threads
 * @since 0.1.0
 */
export const stressOnThreads = async (
  reference: ModelReference,
  options: {
    readonly seconds: number
    readonly seed?: number | undefined
    readonly instances?: number | undefined
    readonly stopAtFirst?: boolean | undefined
  }
): Promise<StressReport> => {
  if (!(options.seconds >= 0)) {
    throw new ModelError({ reason: "options", message: `seconds: wanted a number >= 0, found ${options.seconds}.` })
  }
  const model = await loadModel(reference)
  for (const definition of definitionsOf(model)) {
    if (!definition.daemon && definition.after < 0) continue
    throw new ModelError({
      reason: "options",
      message: `stress: ${definition.name} is a daemon or waits for another thread; neither is supported.`
    })
  }
  const names = Object.keys(model.threads)
  const seed = options.seed ?? 1
  const count = options.instances ?? 2048
  const states = Array.from({ length: count }, () => model.setup(silent))
  const images = states.flatMap((state) =>
    [...buffersOf(state)].map((buffer) => [new Uint8Array(buffer), new Uint8Array(buffer).slice()] as const)
  )
  const control = new SharedArrayBuffer(4 * (4 + names.length))
  const words = new Int32Array(control)
  const workers = names.map((name, thread) =>
    start(reference, {
      _tag: "Stress",
      module: reference.module,
      name: reference.name,
      states,
      thread,
      threadName: name,
      threads: names.length,
      control,
      seed
    })
  )
  let began = performance.now()
  let until = began
  const examples: Array<string> = []
  let runs = 0
  let violations = 0
  let firstAfter = -1
  try {
    await allReady(workers)
    began = performance.now()
    until = began + options.seconds * 1000
    while (performance.now() < until && !(options.stopAtFirst === true && violations > 0)) {
      for (const [bytes, image] of images) bytes.set(image)
      const answers = workers.map((worker) => outcome(worker, 30_000))
      Atomics.add(words, 0, 1)
      Atomics.notify(words, 0)
      const messages = await Promise.all(answers)
      const stuck = messages.findIndex((message) => message._tag !== "Done")
      if (stuck >= 0) {
        const message = messages[stuck]
        violations++
        if (firstAfter < 0) firstAfter = (performance.now() - began) / 1000
        examples.push(`${names[stuck]} ${message?._tag === "Threw" ? message.message : "did not end within 30 s"}`)
        break
      }
      for (let i = 0; i < count; i++) {
        const results: Record<string, unknown> = {}
        messages.forEach((message, t) => {
          if (message._tag === "Done") results[names[t] as string] = message.results[i]
        })
        const problem = verdict(model, states[i], results, [])
        if (problem === "") continue
        violations++
        if (firstAfter < 0) firstAfter = (performance.now() - began) / 1000
        if (examples.length < 5) examples.push(`${problem}: ${JSON.stringify(results)}`)
      }
      runs += count
    }
    return { runs, violations, examples, seconds: (performance.now() - began) / 1000, firstAfter, seed }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}
