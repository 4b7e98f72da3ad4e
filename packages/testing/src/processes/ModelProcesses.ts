/**
 * The same models under SIGKILL: their threads are processes, and the memory of their states is mapped by all of them.
 *
 * The crash sweep of the checker stops a thread before each of its steps and says whether the recovery is right in the model of memory.
 * Here the kernel ends a real process at a random moment, with whatever its processor had in flight, and the same `check` looks at what is
 * left. It finds nothing for certain, and is no proof.
 *
 * ```text
 *  round: setup's memory is put back → all threads run, instance by instance → a thread of `options.crash` is killed
 *         → when the kernel says it is gone, those begin that come `after` it → everybody ends → `check`, per instance
 * ```
 *
 * Killed inside an instance, a thread counts as crashed in it and in those behind it; in the ones before it has ended like any other.
 * It needs mapped memory: 64-bit Linux and koffi.
 *
 * @since 0.1.0
 */
import type { AllocationFailed } from "@selvedge/core/memory/SharedMemory"
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import type { Model, Threads } from "../model/Model.ts"
import { ModelError } from "../model/ModelError.ts"
import { loadModel, type ModelReference } from "../model/threads.ts"
import { type Limits, play } from "./internal/play.ts"
import { describe, type Place, PROGRESS, regionName } from "./internal/orders.ts"
import { pack, type Packed, unpack } from "./internal/packing.ts"
import { Progress } from "./internal/progress.ts"
import type { Subject } from "./internal/rounds.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface KillOptions {
  /** No round begins later than that. */
  readonly seconds: number
  /** Ends after so many kills; default: no limit. */
  readonly kills?: number | undefined
  /** Draws who is killed and when; the moment itself is the machine's. Default 1. */
  readonly seed?: number | undefined
  /** States that a round goes through; from 1 to 32, and together at most 60 buffers. Default 16. */
  readonly instances?: number | undefined
  /** Ends after the first round with a violation; default `false`. */
  readonly stopAtFirst?: boolean | undefined
  /** An existing directory, in which another one is made for the memory and removed at the end; default `/dev/shm`, where there is one. */
  readonly directory?: string | undefined
}

/**
 * What came of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface KillReport {
  readonly rounds: number
  readonly kills: number
  /** Instances that were checked, in all rounds. */
  readonly instances: number
  /** Of these, how many somebody had begun and not ended when it was killed. */
  readonly diedInside: number
  /** And how many somebody had not begun. */
  readonly diedBefore: number
  readonly violations: number
  /** The first few, in words. */
  readonly examples: ReadonlyArray<string>
  readonly seconds: number
  readonly seed: number
}

/**
 * Runs a model's threads as processes, kills those that `options.crash.threads` of the model names, one a round or, with `together`,
 * sometimes two, and checks every instance.
 *
 * **Details**
 *
 * Buffers of the state are regions of mapped memory; what sleeps and wakes by the bells of rings and notifiers does so across processes.
 * Every process that was killed is replaced by one that was started ahead.
 *
 * **Errors**
 *
 * `ModelError` for a model that cannot be run so: without a check or a thread that may die, with a daemon, with a state that is more than
 * buffers, views and plain data, or with results that cannot be copied. `MappingUnavailable` where memory cannot be mapped.
 *
 * **Gotchas**
 *
 * - `Atomics.wait` and `Atomics.notify` of the model itself end at the process: such a model does not end.
 * - A thread may die after its last step and before it can say so, and counts as crashed: a check must allow for that.
 * - The calling thread is busy while a victim is watched.
 *
 * **Example**
 *
 * ```ts
 * import { killOnProcesses } from "@selvedge/testing/processes/ModelProcesses"
 *
 * const module = new URL("./queue.model.ts", import.meta.url).href
 * const report = killOnProcesses({ module, name: "deathOfProducer" }, { seconds: 10, seed: 7 })
 * ```
 *
 * @category processes
 * @since 0.1.0
 */
export const killOnProcesses = (
  reference: ModelReference,
  options: KillOptions
): Effect.Effect<KillReport, ModelError | MappedMemory.MappingError | AllocationFailed> =>
  Effect.gen(function* () {
    const limits = yield* attempt(() => limitsOf(options))
    const model = yield* Effect.tryPromise({ try: () => loadModel(reference), catch: asModelError })
    const plan = yield* attempt(() => planOf(model, options.instances ?? 16))
    const directory = yield* Effect.acquireRelease(
      attempt(() => mkdtempSync(path.join(limits.directory, "selvedge-model-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true, force: true }))
    )
    const place = { directory, space: "model", module: reference.module, model: reference.name }
    const space = MappedMemory.layerMapped({ directory, name: place.space, maxParticipants: 64 })
    const execArgv = reference.execArgv ?? process.execArgv
    return yield* Effect.scoped(
      Effect.flatMap(subjectOf(model, plan, place), (subject) => play(subject, limits, execArgv))
    ).pipe(Effect.provide(Layer.merge(space, KeepAlive.layer)))
  }).pipe(Effect.scoped)

const refuse = (message: string): never => {
  throw new ModelError({ reason: "options", message })
}

const asModelError = (error: unknown): ModelError =>
  error instanceof ModelError
    ? error
    : new ModelError({ reason: "setup", message: `the model cannot be made ready: ${describe(error)}`, cause: error })

const attempt = <A>(f: () => A): Effect.Effect<A, ModelError> => Effect.try({ try: f, catch: asModelError })

const known = ["seconds", "kills", "seed", "instances", "stopAtFirst", "directory"]

const MOST_INSTANCES = 32
/** A space has 64 regions; one is the progress. */
const MOST_BUFFERS = 60

const limitsOf = (options: KillOptions): Limits & { readonly directory: string } => {
  const { instances, kills = Infinity, seconds, seed = 1, stopAtFirst = false, directory, ...more } = options
  for (const name of Object.keys(more))
    refuse(`options: there is no ${JSON.stringify(name)}, only ${known.join(", ")}.`)
  if (!(seconds >= 0)) refuse(`seconds: wanted a number >= 0, found ${seconds}.`)
  if (!(kills > 0)) refuse(`kills: wanted a number > 0, found ${kills}.`)
  if (!Number.isInteger(seed)) refuse(`seed: wanted a whole number, found ${seed}.`)
  if (instances !== undefined && !(Number.isInteger(instances) && instances >= 1 && instances <= MOST_INSTANCES)) {
    refuse(`instances: wanted a whole number from 1 to ${MOST_INSTANCES}, found ${instances}.`)
  }
  const parent = directory ?? (existsSync("/dev/shm") ? "/dev/shm" : tmpdir())
  if (typeof parent !== "string" || !existsSync(parent)) {
    refuse(`directory: wanted one that is there, found ${JSON.stringify(parent)}.`)
  }
  return { seconds, kills, seed, stopAtFirst, directory: parent }
}

/** What `setup` made, so many times, ready to be sent. */
interface Plan {
  readonly states: ReadonlyArray<Packed>
  readonly buffers: ReadonlyArray<SharedArrayBuffer>
  readonly after: ReadonlyArray<number>
  readonly mortal: ReadonlyArray<number>
}

const planOf = (model: Model<unknown, Threads<unknown>>, instances: number): Plan => {
  const names = Object.keys(model.threads)
  if (model.check === undefined) refuse("check: wanted one; there would be nothing to find.")
  const after = names.map((name) => {
    const thread = model.threads[name]
    if (typeof thread === "function") return -1
    if (thread?.daemon === true) refuse(`threads.${name}: a daemon does not end, and nobody would know what it did.`)
    return thread?.after === undefined ? -1 : names.indexOf(thread.after)
  })
  const mortal = (model.options?.crash?.threads ?? []).map((name) =>
    names.includes(name) ? names.indexOf(name) : refuse(`crash.threads: there is no thread ${JSON.stringify(name)}.`)
  )
  if (mortal.length === 0) refuse("options.crash.threads of the model: wanted at least one that may die.")
  const buffers: Array<SharedArrayBuffer> = []
  const states = Array.from({ length: instances }, () => {
    const state = model.setup({ label: () => undefined })
    try {
      return pack(state, buffers)
    } catch (error) {
      return refuse(`setup: the state cannot be sent to a process: ${describe(error)}.`)
    }
  })
  if (buffers.length > MOST_BUFFERS) {
    refuse(`instances: wanted at most ${MOST_BUFFERS} buffers together, found ${buffers.length} in ${instances}.`)
  }
  return { states, buffers, after, mortal }
}

const subjectOf = Effect.fnUntraced(function* (
  model: Model<unknown, Threads<unknown>>,
  { after, buffers, mortal, states }: Plan,
  names: Pick<Place, "directory" | "space" | "module" | "model">
) {
  const threads = Object.keys(model.threads)
  const allocate = Effect.fnUntraced(function* (name: string, bytes: number) {
    const memory = yield* MappedMemory.allocate(name, bytes)
    // Nothing has to be done about a death: the model does. But the place of the dead is free again.
    yield* Effect.orDie(MappedMemory.recover(memory, () => Effect.succeed(true)))
    return memory
  })
  const bytes = Progress.bytesFor(threads.length, states.length)
  const progress = new Progress(yield* allocate(PROGRESS, bytes), threads.length, states.length)
  const mapped: Array<SharedArrayBuffer> = []
  for (const [i, { byteLength }] of buffers.entries()) mapped.push(yield* allocate(regionName(i), byteLength))
  const images = buffers.map((buffer, i) => {
    const image = new Uint8Array(mapped[i]!.byteLength)
    image.set(new Uint8Array(buffer))
    return [new Uint8Array(mapped[i]!), image] as const
  })
  const place: Place = { ...names, threads, states, regions: buffers.length }
  const together = model.options?.crash?.together === true
  const own = states.map((state) => unpack(state, mapped))
  return { model, place, progress, states: own, images, after, mortal, together } satisfies Subject
})
