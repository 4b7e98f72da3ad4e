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

/** Starts it. `look`: somebody may be dead. `died`: the thread ended by itself. */
export const start = (control: Control, row: number, look: () => void, died: (error: unknown) => void): Watcher => {
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
  let stopping = false
  const ended = new Promise<void>((resolve) => {
    worker.once("exit", (code) => {
      if (!stopping) died(new Error(`the watcher ended with code ${code}`))
      resolve()
    })
  })
  const awake = new Promise<void>((resolve, reject) => {
    worker.on("message", (message: "awake" | "look") => (message === "awake" ? resolve() : look()))
    worker.on("error", (error) => {
      reject(error)
      if (!stopping) died(error)
    })
    void ended.then(() => reject(new Error("the watcher ended before it ran")))
  })
  // It holds the loop while it starts, and no longer.
  void awake.then(
    () => worker.unref(),
    () => worker.unref()
  )
  const tell = (order: WatcherOrder): void => {
    port1.postMessage(order)
    Outward.ringOwn(control, row)
  }
  const leave = (): void => {
    stopping = true
    tell({ _tag: "Stop" })
  }
  // A process that leaves without closing its scopes waits for its threads.
  process.once("exit", leave)
  return {
    awake,
    tell,
    stop: () => {
      process.removeListener("exit", leave)
      leave()
      worker.ref()
      return ended
    }
  }
}
