/**
 * A thread that makes native calls for a participant, seen from the thread that started it: the watcher, and the ringer.
 *
 * | phase    | entered by                                                                    |
 * | -------- | ----------------------------------------------------------------------------- |
 * | Starting | `start`, or 100 ms after it ended by itself                                   |
 * | Awake    | it has found its door                                                         |
 * | Ended    | `stop`, the end of the process, or before it was awake: then for good         |
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

interface Life {
  readonly worker: Worker
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

export const start = (options: Options): NativeThread => {
  let stopping = false
  let life = startLife(options)
  const { awake } = life
  const again = (error: unknown): void => {
    if (stopping) return
    options.died(error)
    setTimeout(replace, AGAIN_MILLIS).unref()
  }
  const replace = (): void => {
    if (stopping) return
    try {
      life = startLife(options)
    } catch (error) {
      return again(error)
    }
    life.awake.catch(() => undefined)
    void life.ended.then(again)
  }
  void awake.then(
    () => life.ended.then(again),
    () => undefined
  )
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
      life.worker.ref()
      await life.ended
    }
  }
}
