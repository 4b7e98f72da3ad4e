/**
 * The voice of the guard: a thread that exists only to write to stderr, because writing can block.
 *
 * A pipe that nobody reads fills up, and then a write to it never returns. The guard must not be caught in that, so it
 * starts this thread when it is armed for the first time, and when the deadline has passed it asks it to speak; whether
 * the voice manages to changes nothing about when the process ends. It ends with the guard thread. It writes to the
 * file descriptor, because `process.stderr` of a worker goes through the main thread, which is blocked.
 *
 * @internal
 */
import { writeSync } from "node:fs"
import { workerData } from "node:worker_threads"
import * as GuardMemory from "./guardMemory.ts"

const STDERR = 2

const textOf = (memory: GuardMemory.Memory, asked: number): string => {
  const { exitCode, report } = GuardMemory.read(memory)
  if (asked === GuardMemory.LAST_LINE) {
    return "selvedge guard: the main thread could not be ended from JavaScript (native code?), so by SIGKILL now\n"
  }
  return (
    `selvedge guard: the deadline has passed and the main thread has not ended; ending it with exit code ${exitCode}\n` +
    `${report().trimEnd()}\n`
  )
}

const write = (text: string): void => {
  let rest = Buffer.from(text)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(STDERR, rest))
    } catch (error) {
      const full = error instanceof Error && "code" in error && error.code === "EAGAIN"
      // Anything else than a full pipe means that there is no stderr any more.
      if (!full) return
      GuardMemory.pause(5)
    }
  }
}

const { buffer }: GuardMemory.ThreadData = workerData
const memory = GuardMemory.attach(buffer)
for (let said = 0; ;) {
  const asked = GuardMemory.waitAsked(memory, said)
  // Each of them, also where this thread comes late and the last line is asked for already.
  while (said < asked) {
    write(textOf(memory, ++said))
    GuardMemory.said(memory, said)
  }
}
