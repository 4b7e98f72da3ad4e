/**
 * The first lines of a worker thread: small, so that the compile cache is on before anything else is loaded.
 *
 * @internal
 */
import { parentPort, workerData } from "node:worker_threads"
import * as CompileCache from "./compileCache.ts"

if (parentPort === null) throw new Error("this is the entry of a worker thread, not a program")

CompileCache.enable()
const { lead } = await import("./threadWorker.ts")
lead(parentPort, workerData)
