/**
 * The thread behind `voice.ts`. It writes to the file descriptor: a stream of a worker goes through its parent.
 *
 * @internal
 */
import { writeSync } from "node:fs"
import { parentPort } from "node:worker_threads"

const STDERR = 2
const clock = new Int32Array(new SharedArrayBuffer(4))

const write = (text: string): void => {
  let rest = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(STDERR, rest))
    } catch (error) {
      // Anything else than a full pipe means that there is no stderr any more.
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) return
      Atomics.wait(clock, 0, 0, 5)
    }
  }
}

parentPort?.on("message", ({ length, text }: { readonly length: number; readonly text: string }) => {
  write(text)
  parentPort?.postMessage(length)
})
