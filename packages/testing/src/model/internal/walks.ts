/**
 * The searches that remember no more than a path: replay, bounded preemptions,
 * PCT and chance.
 *
 * Sources: Musuvathi and Qadeer, "Iterative Context Bounding" (CHESS);
 * Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with
 * Probabilistic Guarantees of Finding Bugs" (PCT).
 *
 * @internal
 */
import { DIVERGED, lowest, popCount, type Touched, type Walker } from "./walker.ts"

/** A small generator of chance with a seed (mulberry32). */
export const chance = (seed: number) => {
  let state = seed >>> 0
  return (n: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), 1 | state)
    x ^= x + Math.imul(x ^ (x >>> 7), 61 | x)
    return ((x ^ (x >>> 14)) >>> 0) % n
  }
}

const nth = (mask: number, n: number): number => {
  let m = mask
  for (let i = 0; i < n; i++) m &= m - 1
  return lowest(m)
}

abstract class Walk implements Walker {
  abstract readonly name: string
  readonly exhaustive: boolean = false
  begin(): void {}
  abstract pick(step: number, enabled: number, current: number, barrier: boolean): number
  abstract choose(step: number, n: number): number
  executed(_step: number, _thread: number, _touched: Touched): void {}
  follows(_follower: number, _ended: number): void {}
  abstract next(steps: number): boolean
}

/** Follows a given path; after its end, or where it cannot be followed, goes on with whoever was going on. */
export class Replay extends Walk {
  readonly name = "replay"
  readonly #path: ReadonlyArray<number>
  readonly #choices: ReadonlyArray<number>
  readonly #strict: boolean
  #choice = 0
  #at = 0
  constructor(path: ReadonlyArray<number>, choices: ReadonlyArray<number>, strict: boolean) {
    super()
    this.#path = path
    this.#choices = choices
    this.#strict = strict
  }
  override begin(): void {
    this.#choice = 0
    this.#at = 0
  }
  pick(_step: number, enabled: number, current: number): number {
    while (this.#at < this.#path.length) {
      const wanted = this.#path[this.#at++] as number
      if (((enabled >> wanted) & 1) === 1) return wanted
      if (this.#strict) return DIVERGED
    }
    return current >= 0 && ((enabled >> current) & 1) === 1 ? current : lowest(enabled)
  }
  choose(_step: number, n: number): number {
    return Math.min(this.#choices[this.#choice++] ?? 0, n - 1)
  }
  next(): boolean {
    return false
  }
}

/** Takes turns: the order in which two looks at one model are compared before it is explored. */
export class RoundRobin extends Walk {
  readonly name = "round robin"
  pick(_step: number, enabled: number, current: number): number {
    const later = enabled & ~((2 << current) - 1)
    return lowest(current >= 0 && later !== 0 ? later : enabled)
  }
  choose(): number {
    return 0
  }
  next(): boolean {
    return false
  }
}

/** Depth first over all orders with at most so many switches away from a thread that could have gone on. */
export class Chess extends Walk {
  readonly name: string
  readonly #bound: number
  /** Threads, or choices, still to try at each point, as a mask; and what was taken. */
  readonly #left: Array<number> = []
  readonly #taken: Array<number> = []
  #at = 0
  #spent = 0
  constructor(preemptions: number) {
    super()
    this.#bound = preemptions
    this.name = `preemptions <= ${preemptions}`
  }
  override begin(): void {
    this.#at = 0
    this.#spent = 0
  }
  #take(first: number, others: number): number {
    const at = this.#at++
    if (at === this.#taken.length) {
      this.#taken.push(first)
      this.#left.push(others & ~(1 << first))
    }
    return this.#taken[at] as number
  }
  pick(_step: number, enabled: number, current: number): number {
    const free = current < 0 || ((enabled >> current) & 1) === 0
    const others = free || this.#spent < this.#bound ? enabled : 0
    const taken = this.#take(free ? lowest(enabled) : current, others)
    if (((enabled >> taken) & 1) === 0) return DIVERGED
    if (!free && taken !== current) this.#spent++
    return taken
  }
  choose(_step: number, n: number): number {
    return this.#take(0, n >= 31 ? -1 : (1 << n) - 1)
  }
  next(): boolean {
    this.#taken.length = this.#at
    this.#left.length = this.#at
    for (;;) {
      const left = this.#left.pop()
      if (left === undefined) return false
      this.#taken.pop()
      if (left === 0) continue
      const taken = lowest(left)
      this.#taken.push(taken)
      this.#left.push(left & ~(1 << taken))
      return true
    }
  }
}

/** Any thread, at any step. */
export class Random extends Walk {
  readonly name: string
  readonly #chance: (n: number) => number
  #left: number
  constructor(iterations: number, seed: number) {
    super()
    this.name = `random, seed ${seed}`
    this.#left = iterations
    this.#chance = chance(seed)
  }
  pick(_step: number, enabled: number): number {
    return nth(enabled, this.#chance(popCount(enabled)))
  }
  choose(_step: number, n: number): number {
    return this.#chance(n)
  }
  next(): boolean {
    return --this.#left > 0
  }
}

/** Random priorities, lowered at `depth - 1` random steps. */
export class Pct extends Walk {
  readonly name: string
  readonly #threads: number
  readonly #depth: number
  readonly #chance: (n: number) => number
  readonly #priority: Array<number> = []
  readonly #changes = new Set<number>()
  #left: number
  #longest = 16
  constructor(threads: number, depth: number, iterations: number, seed: number) {
    super()
    this.name = `pct, depth ${depth}, seed ${seed}`
    this.#threads = threads
    this.#depth = depth
    this.#left = iterations
    this.#chance = chance(seed)
  }
  override begin(): void {
    this.#changes.clear()
    this.#priority.length = 0
    for (let t = 0; t < this.#threads; t++) {
      this.#priority.splice(this.#chance(t + 1), 0, t)
    }
    for (let i = 1; i < this.#depth; i++) this.#changes.add(this.#chance(this.#longest))
  }
  pick(step: number, enabled: number): number {
    const top = this.#priority.find((t) => ((enabled >> t) & 1) === 1) as number
    if (!this.#changes.delete(step)) return top
    this.#priority.splice(this.#priority.indexOf(top), 1)
    this.#priority.push(top)
    return this.#priority.find((t) => ((enabled >> t) & 1) === 1) as number
  }
  choose(_step: number, n: number): number {
    return this.#chance(n)
  }
  next(steps: number): boolean {
    if (steps > this.#longest) this.#longest = steps
    return --this.#left > 0
  }
}
