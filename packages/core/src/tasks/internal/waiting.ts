/**
 * The spawns that wait for a place in their kind, first come first served.
 *
 * An array with a head, not a linked set: at 100 000 waiting spawns neither taking the first nor giving up in the middle
 * may cost a walk. Who gives up leaves a mark behind; marks are swept when they are the majority, so they cost at most as
 * much memory as those who still wait.
 *
 * **Invariants**
 *
 * 1. `size` is the number of spawns that still wait; a spawn that was taken out is never taken again.
 * 2. `line` holds at most twice `size` elements, plus a constant.
 *
 * @internal
 */
import type { RegistryClosed } from "../TaskRegistryError.ts"

/** A live task, as far as its waiting spawns are counted in it. */
interface Caller {
  readonly more: { waits: number }
}

/** A spawn that waits for a place. */
export interface Waiting {
  /** The live task it waits in. */
  readonly caller: Caller | undefined
  readonly grant: () => void
  readonly refuse: (why: RegistryClosed) => void
  /** Why it may not wait any longer. */
  readonly refusal: () => RegistryClosed | undefined
  /** Taken out: granted, refused or given up. */
  gone: boolean
}

const SMALL = 32

export class WaitList {
  private line: Array<Waiting> = []
  private head = 0
  size = 0

  push(waiting: Waiting): void {
    this.line.push(waiting)
    this.size++
    if (waiting.caller !== undefined) waiting.caller.more.waits++
  }

  /** Takes one out; `false` if it has left already. */
  remove(waiting: Waiting): boolean {
    if (waiting.gone) return false
    waiting.gone = true
    this.size--
    if (waiting.caller !== undefined) waiting.caller.more.waits--
    if (this.line.length > 2 * this.size + SMALL) {
      this.line = this.line.filter((one, i) => i >= this.head && !one.gone)
      this.head = 0
    }
    return true
  }

  /** Takes out who has waited longest. */
  shift(): Waiting | undefined {
    while (this.head < this.line.length) {
      const first = this.line[this.head++]!
      if (first.gone) continue
      this.remove(first)
      return first
    }
    return undefined
  }

  /** Takes out everybody who may not wait any longer. */
  takeRefused(): ReadonlyArray<readonly [Waiting, RegistryClosed]> {
    const refused: Array<readonly [Waiting, RegistryClosed]> = []
    for (const one of this.line.slice(this.head)) {
      const why = one.gone ? undefined : one.refusal()
      if (why !== undefined && this.remove(one)) refused.push([one, why])
    }
    return refused
  }
}
