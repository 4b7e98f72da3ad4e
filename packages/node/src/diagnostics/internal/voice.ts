/**
 * Writes to stderr from a thread that must not be held up by a reader who does not read.
 *
 * Writing can block for ever, so it is done in a thread of its own, which is started by the first text. What comes while so
 * much is waiting that nobody can be reading is dropped, and counted.
 *
 * @internal
 */
import { Worker } from "node:worker_threads"
import { startThread } from "./threads.ts"

const WAITING_CHARACTERS = 1_000_000

export class Voice {
  private thread: Worker | undefined
  private waiting = 0
  private dropped = 0

  write(text: string): void {
    if (this.waiting + text.length > WAITING_CHARACTERS && this.waiting > 0) {
      this.dropped++
      return
    }
    try {
      this.thread ??= this.start()
    } catch {
      // No memory for another thread: nothing can be said, and watching goes on.
      return
    }
    const note = this.dropped === 0 ? "" : `selvedge watchdog: ${this.dropped} text(s) before this one were dropped\n`
    this.dropped = 0
    this.waiting += text.length
    this.thread.postMessage({ text: note + text, length: text.length })
  }

  private start(): Worker {
    const thread = startThread("voiceThread", undefined)
    thread.on("message", (length: number) => void (this.waiting -= length))
    thread.on("error", () => void (this.thread = undefined))
    return thread
  }
}
