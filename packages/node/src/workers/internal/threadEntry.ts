/**
 * The main program of a worker thread.
 *
 * It speaks over the thread's own port. A thread that has said its last word ends when its loop has nothing left, and 20 ms
 * later in any case: what a program left running must not keep the thread.
 *
 * @internal
 */
import { parentPort, workerData } from "node:worker_threads"
import type { StartData } from "./startData.ts"
import * as WorkerSide from "./workerSide.ts"

const RUN_OUT_MILLIS = 20

if (parentPort === null) throw new Error("this is the entry of a worker thread, not a program")
const port = parentPort
const data: StartData = workerData

const side = WorkerSide.run({
  data,
  post: (wire) => port.postMessage(wire),
  emitter: process,
  // A thread cannot end its process; its supervisor ends it.
  guard: undefined,
  leave: (exitCode) => {
    process.exitCode = exitCode
    port.unref()
    setTimeout(() => process.exit(exitCode), RUN_OUT_MILLIS).unref()
  }
})
port.on("message", side.receive)
