/**
 * A participant's watcher: the one thread that sleeps natively for all of them, seen from the thread that started it.
 *
 * @internal
 */
import { MessageChannel, type MessagePort } from "node:worker_threads"
import type { Control } from "./control.ts"
import * as NativeThread from "./nativeThread.ts"
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

/**
 * Starts it. `look`: somebody may be dead. `died`: the thread ended by itself; the one that takes its place is told all that this one was.
 */
export const start = (control: Control, row: number, look: () => void, died: (error: unknown) => void): Watcher => {
  const { address, fd, memory, participants } = control
  const orders = new Map<string, WatcherOrder>()
  let port: MessagePort | undefined
  const begin = () => {
    const { port1, port2 } = new MessageChannel()
    port1.unref()
    port = port1
    for (const order of orders.values()) port.postMessage(order)
    const workerData: WatcherData = { control: memory, address, fd, participants, row, port: port2 }
    return { workerData, transferList: [port2] }
  }
  const tell = (order: WatcherOrder): void => {
    if (order._tag === "Forget") for (const tag of ["Watch", "Recovers"]) orders.delete(`${tag} ${order.region}`)
    else if (order._tag !== "Stop") orders.set(`${order._tag} ${order.region}`, order)
    port?.postMessage(order)
    Outward.ringOwn(control, row)
  }
  const { awake, stop } = NativeThread.start({
    entry: "watcherThread",
    name: "selvedge-watcher",
    begin,
    heard: look,
    died,
    isTriedAgain: false,
    leave: () => tell({ _tag: "Stop" })
  })
  return { awake, tell, stop }
}
