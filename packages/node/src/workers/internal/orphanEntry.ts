/**
 * The orphan watch: a thread that sees its process's parent die, whatever the event loop does.
 *
 * The kernel gives an orphan another parent, so a parent's id that changed says it all. The loop has then the program's whole
 * budget to end by itself; after that this thread ends the process by SIGKILL. Four looks a second, each a system call.
 *
 * @internal
 */
import { workerData } from "node:worker_threads"
import type { OrphanData } from "./processWorker.ts"

const LOOK_MILLIS = 250

const { parent, patienceMillis }: OrphanData = workerData
const cell = new Int32Array(new SharedArrayBuffer(4))

while (process.ppid === parent) Atomics.wait(cell, 0, 0, LOOK_MILLIS)
Atomics.wait(cell, 0, 0, patienceMillis)
process.kill(process.pid, "SIGKILL")
