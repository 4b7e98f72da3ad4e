/**
 * A thread that makes native calls for a participant, seen from the thread that started it: the watcher, and the ringer.
 *
 * | phase    | entered by                                                                    |
 * | -------- | ----------------------------------------------------------------------------- |
 * | Starting | `start`, or a while after it ended by itself                                  |
 * | Awake    | it has found its door                                                         |
 * | Ended    | `stop`, the end of the process, or before the first one was awake: for good, but for one that is waited for by nobody |
 *
 * @internal
 */
import { Worker, type WorkerOptions } from "node:worker_threads"

export interface Options {
  /** The file beside this one, without its extension. */
  readonly entry: "watcherThread" | "ringerThread"
  readonly name: string
  /** What the next one is started with. */
  readonly begin: () => Pick<WorkerOptions, "workerData" | "transferList">
  /** It has said something, other than that it is awake. */
  readonly heard: () => void
  /** It ended by itself, of something that is not to be expected; another one takes its place. */
  readonly died: (error: unknown) => void
  /** Whether another one takes its place also if the first one does not come to be, as where a process may have no more threads. */
  readonly isTriedAgain: boolean
  /** Tells it to end. */
  readonly leave: () => void
}

export interface NativeThread {
  /** Resolves when it runs; rejects if it does not. */
  readonly awake: Promise<void>
  /** Resolves when it has ended. */
  readonly stop: () => Promise<void>
}

/** One listener for all of this thread: a process that leaves without closing its scopes waits for its threads. */
const leaving = new Set<() => void>()
const leaveAll = (): void => leaving.forEach((leave) => leave())

/** Before another one takes the place of one that ended by itself. */
const AGAIN_MILLIS = 100
/** The longest there is between tries, which take twice as long each time that none comes to be. */
const MOST_MILLIS = 1000

interface Life {
  /** None, if the process was given no thread. */
  readonly worker: Worker | undefined
  readonly awake: Promise<void>
  /** Resolves with what it ended of. */
  readonly ended: Promise<unknown>
}

const startLife = ({ begin, entry, heard, name }: Options): Life => {
  // A source beside this source, or a built file beside this built file: the compiler rewrites imports, but no URLs.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  const worker = new Worker(new URL(`./${entry}.${extension}`, import.meta.url), {
    ...begin(),
    name,
    env: {},
    stdout: true,
    stderr: true,
    execArgv: ["--no-warnings"],
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 }
  })
  let reason: unknown
  worker.once("error", (error) => (reason = error))
  const ended = new Promise<unknown>((resolve) => {
    worker.once("exit", (code) => resolve(reason ?? new Error(`it ended with code ${code}`)))
  })
  const awake = new Promise<void>((resolve, reject) => {
    worker.on("message", (message) => (message === "awake" ? resolve() : heard()))
    void ended.then(reject)
  })
  // It holds the loop while it starts, and no longer.
  void awake.then(
    () => worker.unref(),
    () => worker.unref()
  )
  return { worker, awake, ended }
}

/** One that did not come to be has ended. */
const lifeOf = (options: Options): Life => {
  try {
    return startLife(options)
  } catch (error) {
    return { worker: undefined, awake: Promise.reject(error), ended: Promise.resolve(error) }
  }
}

export const start = (options: Options): NativeThread => {
  let stopping = false
  let life = lifeOf(options)
  const { awake } = life
  let pause = AGAIN_MILLIS
  const again = (error: unknown): void => {
    if (stopping) return
    options.died(error)
    setTimeout(replace, pause).unref()
    pause = Math.min(2 * pause, MOST_MILLIS)
  }
  const watch = (): void => {
    life.awake.then(
      () => (pause = AGAIN_MILLIS),
      () => undefined
    )
    void life.ended.then(again)
  }
  const replace = (): void => {
    if (stopping) return
    life = lifeOf(options)
    watch()
  }
  if (options.isTriedAgain) watch()
  else awake.then(watch, () => undefined)
  const leave = (): void => {
    stopping = true
    options.leave()
  }
  if (leaving.size === 0) process.once("exit", leaveAll)
  leaving.add(leave)
  return {
    awake,
    stop: async () => {
      leaving.delete(leave)
      if (leaving.size === 0) process.removeListener("exit", leaveAll)
      leave()
      life.worker?.ref()
      await life.ended
    }
  }
}
