/**
 * What a child process says, kept as text, and waiting until it has said something.
 */
import type { Readable } from "node:stream"

/** After so long a child is killed, so that a test that fails leaves none: less than a test may take, more than any machine needs. */
export const LONGEST_MILLIS = 280_000

interface Speaking {
  readonly stdout: Readable
  readonly stderr: Readable
}

export class Hearing {
  stdout = ""
  stderr = ""
  private readonly waiting = new Set<() => void>()
  private readonly ended: Promise<unknown>

  /** `ended`: when nothing more is to be expected. `told` is called with each piece before it is added. */
  constructor(
    child: Speaking,
    ended: Promise<unknown>,
    told: (stream: "stdout" | "stderr", text: string) => void = () => {}
  ) {
    this.ended = ended
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        told(stream, text)
        this[stream] += text
        for (const look of this.waiting) look()
      })
    }
  }

  /** Waits until a text stands on stdout or stderr. */
  readonly says = (text: string | RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const isIn = (all: string) => (typeof text === "string" ? all.includes(text) : text.test(all))
      const look = () => {
        if (!isIn(this.stdout) && !isIn(this.stderr)) return
        this.waiting.delete(look)
        resolve()
      }
      this.waiting.add(look)
      look()
      // What was said last may still be on its way.
      const gone = () => reject(new Error(`ended without "${String(text)}":\n${this.stdout}\n${this.stderr}`))
      void this.ended.then(() => setImmediate(gone))
    })
}
