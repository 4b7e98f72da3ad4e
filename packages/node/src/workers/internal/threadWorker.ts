/**
 * The main program of a worker thread.
 *
 * It speaks over the thread's own port. A thread that has said its last word ends when its loop has nothing left, and 20 ms
 * later in any case: what a program left running must not keep the thread.
 *
 * @internal
 */
import { getHeapStatistics } from "node:v8"
import type { MessagePort } from "node:worker_threads"
import type { StartData } from "./startData.ts"
import * as WorkerSide from "./workerSide.ts"

const RUN_OUT_MILLIS = 20

/** What this thread's isolate holds: its heap, and what lives outside of it and goes with it. */
const memoryUse = (): number => {
  const { external_memory, used_heap_size } = getHeapStatistics()
  return used_heap_size + external_memory
}

export const lead = (port: MessagePort, data: StartData): void => {
  const side = WorkerSide.run({
    data,
    post: (wire) => port.postMessage(wire),
    emitter: process,
    // A thread cannot end its process; its supervisor ends it.
    guard: undefined,
    memoryUse,
    leave: (exitCode) => {
      process.exitCode = exitCode
      port.unref()
      setTimeout(() => process.exit(exitCode), RUN_OUT_MILLIS).unref()
    }
  })
  // What was sent before waits in the port.
  port.on("message", side.receive)
}
