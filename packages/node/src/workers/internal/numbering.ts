/**
 * Numbers for the workers of a process in its tables of diagnostics.
 *
 * The tables want one living worker to a number, and a number that a restarted worker finds again. Ordinals are unique in one container only,
 * so the workers of all containers are numbered here: by the ordinal where that is free, else by the next number that is. A container whose workers
 * have the names and ordinals of another one's may get the numbers of their dead ones: it goes on counting where they had stopped.
 *
 * **Invariants**
 *
 * 1. No two living workers have one number.
 * 2. The next life of a worker gets the number of the life before it, unless that was given away (4).
 * 3. A number is never given twice with one generation.
 * 4. There are never more numbers than `KEPT`, or than workers that were alive at one time: beyond that, the one whose worker has been dead for
 *    longest is given away. So names that are made up at run time do not fill the tables.
 *
 * @internal
 */
import type { Identity } from "@selvedge/core/diagnostics/Identity"

/** Numbers that are kept for their workers. */
export const KEPT = 256

interface Numbered {
  worker: string
  /** 0: it lives. Else a count that grows with every end. */
  endedAt: number
  lives: number
}

export class Numbering {
  private readonly rows = new Map<number, Numbered>()
  private ends = 0

  get size(): number {
    return this.rows.size
  }

  /** A number for one life. */
  take(worker: string, ordinal: number, generation: number): Identity {
    const number = this.own(worker) ?? this.unused(ordinal) ?? this.longestDead() ?? this.beyond()
    const before = this.rows.get(number)?.lives ?? 0
    const lives = Math.max(generation, before + 1)
    this.rows.set(number, { worker, endedAt: 0, lives })
    return { ordinal: number, generation: lives }
  }

  /** It has ended, and what it had was reclaimed. */
  give({ generation, ordinal }: Identity): void {
    const row = this.rows.get(ordinal)
    if (row?.lives === generation) row.endedAt = ++this.ends
  }

  private own(worker: string): number | undefined {
    for (const [number, row] of this.rows) if (row.worker === worker && row.endedAt > 0) return number
    return undefined
  }

  private unused(ordinal: number): number | undefined {
    for (let i = 0; i < KEPT; i++) {
      const number = (ordinal + i) % KEPT
      if (!this.rows.has(number)) return number
    }
    return undefined
  }

  private longestDead(): number | undefined {
    let found: number | undefined
    let endedAt = Infinity
    for (const [number, row] of this.rows) {
      if (row.endedAt === 0 || row.endedAt >= endedAt) continue
      found = number
      endedAt = row.endedAt
    }
    return found
  }

  private beyond(): number {
    let number = KEPT
    while (this.rows.has(number)) number++
    return number
  }
}
