/**
 * Writes to stderr from a thread that must not be held up by a reader who does not read.
 *
 * Writing can block for ever, so it is done in a thread of its own, which is started by a text and ends when all is written and nothing was
 * said for some seconds: one busy moment is no reason to keep a thread and its descriptors. What comes while so much is
 * waiting that nobody can be reading is dropped, and counted.
 *
 * @internal
 */
import { Worker } from "node:worker_threads"
import { startThread } from "./threads.ts"

const WAITING_CHARACTERS = 1_000_000
const QUIET_MILLIS = 5_000

export class Voice {
  private thread: Worker | undefined
  private waiting = 0
  private dropped = 0
  private readonly whenSilent: Array<() => void> = []
  private quiet: NodeJS.Timeout | undefined
  private readonly quietMillis: number

  constructor(quietMillis = QUIET_MILLIS) {
    this.quietMillis = quietMillis
  }

  get hasThread(): boolean {
    return this.thread !== undefined
  }

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
    clearTimeout(this.quiet)
    this.waiting += text.length
    this.thread.postMessage({ text: note + text, length: text.length })
  }

  /** Resolves when everything is written, or lost. */
  silent(): Promise<void> {
    return this.waiting === 0 ? Promise.resolve() : new Promise((resolve) => void this.whenSilent.push(resolve))
  }

  private tellSilent(): void {
    for (const tell of this.whenSilent.splice(0)) tell()
  }

  private start(): Worker {
    const thread = startThread("voiceThread", undefined)
    thread.on("message", (length: number) => {
      this.waiting -= length
      if (this.waiting > 0) return
      clearTimeout(this.quiet)
      this.tellSilent()
      this.quiet = setTimeout(() => this.end(), this.quietMillis).unref()
    })
    thread.on("error", () => this.end())
    return thread
  }

  /** The next text has a thread of its own. What waits for one that failed is lost. */
  private end(): void {
    clearTimeout(this.quiet)
    void this.thread?.terminate()
    this.thread = undefined
    this.waiting = 0
    this.tellSilent()
  }
}
