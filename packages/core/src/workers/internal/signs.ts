/**
 * The signs of one life, as its supervisor has seen them: in its pulse, or in messages where it has none.
 *
 * A sign has no time of its own: what counts is when it was seen. Looking four times within a timeout therefore sees that there
 * was none at most a quarter of it late.
 *
 * **Invariants**
 *
 * 1. A look sees every sign that was written before it, whatever held up the supervisor meanwhile.
 * 2. A look that comes late and sees nothing new judges nobody: a process that was stopped as a whole, or a message that is
 *    still in a queue, looks the same. The next look judges.
 *
 * @internal
 */
import * as Pulse from "../Pulse.ts"

/** The last sign of one sort. */
export class Sign {
  /** When it was seen, in monotonic milliseconds. */
  at = 0
  private count = 0
  private isDoubted = false

  /** From now on it is waited for. */
  begin(nowMillis: number): void {
    this.at = nowMillis
    this.isDoubted = false
  }

  /** The count as it is now: another one is a sign. */
  see(count: number, nowMillis: number): void {
    if (count === this.count) return
    this.count = count
    this.begin(nowMillis)
  }

  /** Whether it has been missing for so long that somebody is to decide. */
  isMissing(nowMillis: number, timeoutMillis: number, isLateLook: boolean): boolean {
    if (nowMillis - this.at < timeoutMillis) return false
    // Invariant 2.
    if (!isLateLook || this.isDoubted) return true
    this.isDoubted = true
    return false
  }
}

export class Signs {
  /** The loop turns. */
  readonly beats = new Sign()
  /** The program gets on. */
  readonly progress = new Sign()
  private pulse: Pulse.Reader | undefined = undefined
  private saidMemory: number | undefined = undefined

  /** From now on its signs are in this line as well. */
  follow(pulse: Pulse.Line): void {
    this.pulse = Pulse.read(pulse)
  }

  /** It is ready: from now on it is judged. */
  begin(nowMillis: number): void {
    this.look(nowMillis)
    this.beats.begin(nowMillis)
    this.progress.begin(nowMillis)
  }

  /** Reads what is written. */
  look(nowMillis: number): void {
    if (this.pulse === undefined || !this.pulse.isAdoptedUnsafe()) return
    this.beats.see(this.pulse.beatsUnsafe(), nowMillis)
    const progress = this.pulse.progressUnsafe()
    this.progress.see(progress, nowMillis)
    // Who says that it gets on has a loop that turns.
    this.beats.at = Math.max(this.beats.at, this.progress.at)
  }

  /** It said so. */
  heard(isProgress: boolean, memoryBytes: number | undefined, nowMillis: number): void {
    this.saidMemory = memoryBytes ?? this.saidMemory
    this.beats.begin(nowMillis)
    if (isProgress) this.progress.begin(nowMillis)
  }

  /** The newest there is. */
  get memoryBytes(): number | undefined {
    return (this.pulse?.isAdoptedUnsafe() ? this.pulse.memoryBytesUnsafe() : undefined) ?? this.saidMemory
  }
}
