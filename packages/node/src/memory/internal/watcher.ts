/**
 * A participant's watcher: the one thread that sleeps natively for all of them, seen from the thread that started it.
 *
 * @internal
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads"
import type { Control } from "./control.ts"
import * as Outward from "./outward.ts"

/** What the thread is started with. */
export interface WatcherData {
  readonly control: SharedArrayBuffer
  readonly address: number
  readonly fd: number
  readonly participants: number
  readonly row: number
  readonly port: MessagePort
}

/** What it is told. */
export type WatcherOrder =
  | { readonly _tag: "Watch"; readonly region: number; readonly memory: SharedArrayBuffer }
  | { readonly _tag: "Forget"; readonly region: number }
  /** Whether this participant recovers the dead from that region. */
  | { readonly _tag: "Recovers"; readonly region: number; readonly recovers: boolean }
  | { readonly _tag: "Stop" }

export interface Watcher {
  /** Resolves when it runs; rejects if it does not. Before, nobody here is woken by other processes. */
  readonly awake: Promise<void>
  readonly tell: (order: WatcherOrder) => void
  /** Resolves when the thread has ended: at once, for it is woken. */
  readonly stop: () => Promise<void>
}

/** One listener for all watchers of this thread: a process that leaves without closing its scopes waits for its threads. */
const leaving = new Set<() => void>()
const leaveAll = (): void => leaving.forEach((leave) => leave())

/** Before another one takes the place of one that ended by itself. */
const AGAIN_MILLIS = 100

interface Thread {
  readonly worker: Worker
  readonly port: MessagePort
  readonly awake: Promise<void>
  /** Resolves with what it ended of. */
  readonly ended: Promise<unknown>
}

const startThread = (control: Control, row: number, look: () => void): Thread => {
  const { port1, port2 } = new MessageChannel()
  const { address, fd, memory, participants } = control
  const data: WatcherData = { control: memory, address, fd, participants, row, port: port2 }
  // A source beside this source, or a built file beside this built file: the compiler rewrites imports, but no URLs.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  const worker = new Worker(new URL(`./watcherThread.${extension}`, import.meta.url), {
    name: "selvedge-watcher",
    workerData: data,
    transferList: [port2],
    env: {},
    stdout: true,
    stderr: true,
    execArgv: ["--no-warnings"],
    resourceLimits: { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 }
  })
  port1.unref()
  let reason: unknown
  worker.once("error", (error) => (reason = error))
  const ended = new Promise<unknown>((resolve) => {
    worker.once("exit", (code) => resolve(reason ?? new Error(`it ended with code ${code}`)))
  })
  const awake = new Promise<void>((resolve, reject) => {
    worker.on("message", (message: "awake" | "look") => (message === "awake" ? resolve() : look()))
    void ended.then(reject)
  })
  // It holds the loop while it starts, and no longer.
  void awake.then(
    () => worker.unref(),
    () => worker.unref()
  )
  return { worker, port: port1, awake, ended }
}

/**
 * Starts it. `look`: somebody may be dead. `died`: the thread ended by itself, of something that is not to be expected; another one takes its
 * place and is told all that this one was.
 */
export const start = (control: Control, row: number, look: () => void, died: (error: unknown) => void): Watcher => {
  const orders = new Map<string, WatcherOrder>()
  let stopping = false
  let thread = startThread(control, row, look)
  const { awake } = thread
  const again = (error: unknown): void => {
    if (stopping) return
    died(error)
    setTimeout(replace, AGAIN_MILLIS).unref()
  }
  const replace = (): void => {
    if (stopping) return
    try {
      thread = startThread(control, row, look)
    } catch (error) {
      return again(error)
    }
    thread.awake.catch(() => undefined)
    void thread.ended.then(again)
    for (const order of orders.values()) thread.port.postMessage(order)
  }
  void awake.then(
    () => thread.ended.then(again),
    () => undefined
  )
  const tell = (order: WatcherOrder): void => {
    if (order._tag === "Forget") for (const tag of ["Watch", "Recovers"]) orders.delete(`${tag} ${order.region}`)
    else if (order._tag !== "Stop") orders.set(`${order._tag} ${order.region}`, order)
    thread.port.postMessage(order)
    Outward.ringOwn(control, row)
  }
  const leave = (): void => {
    stopping = true
    tell({ _tag: "Stop" })
  }
  if (leaving.size === 0) process.once("exit", leaveAll)
  leaving.add(leave)
  return {
    awake,
    tell,
    stop: async () => {
      leaving.delete(leave)
      if (leaving.size === 0) process.removeListener("exit", leaveAll)
      leave()
      thread.worker.ref()
      await thread.ended
    }
  }
}
