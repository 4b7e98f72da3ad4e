/**
 * Rounds of killing: every thread of a model runs on every instance, one of those that may die is killed on its way, and each
 * instance is checked.
 *
 * A round has to come to an end without whoever was killed, or it is a violation. The killed one is told to be dead when the kernel has
 * said so, and then those begin that come `after` it.
 *
 * @internal
 */
import type { Model, Threads } from "../../model/Model.ts"
import * as Seed from "../../faults/Seed.ts"
import { describe, type Place, type Said } from "./orders.ts"
import type { Player, Players } from "./players.ts"
import type { Progress } from "./progress.ts"

export interface Subject {
  readonly model: Model<unknown, Threads<unknown>>
  readonly place: Place
  readonly progress: Progress
  readonly states: ReadonlyArray<unknown>
  /** Memory, and what `setup` left in it. */
  readonly images: ReadonlyArray<readonly [Uint8Array, Uint8Array]>
  /** Of each thread, the one it comes after, or -1. */
  readonly after: ReadonlyArray<number>
  readonly mortal: ReadonlyArray<number>
  readonly together: boolean
}

export interface Counts {
  rounds: number
  kills: number
  instances: number
  diedInside: number
  diedBefore: number
  violations: number
}

/** How long the living may take after a death. */
const STUCK_MILLIS = 30_000
/** A victim that has not begun by then is killed before it does. */
const BEGIN_MILLIS = 2000
/** What the first instance of a fresh process takes, about. */
const FIRST_MILLIS = 0.5
const NAP_MILLIS = 0.05
const EXAMPLES = 5
/** One kill in so many may hit between two instances. */
const ANYWHERE = 8

const nap = new Int32Array(new SharedArrayBuffer(4))

/** One that is to be killed when it has begun so many instances, and a share of the time that one takes is over. */
interface Victim {
  readonly thread: number
  readonly target: number
  readonly share: number
  /** Wherever it is then; otherwise the next time that it is inside an instance. */
  readonly anywhere: boolean
  began?: number
  due?: number
}

/** A round cannot go on: why, and whether the model is at fault. */
export class Stopped extends Error {
  readonly isViolation: boolean
  constructor(message: string, isViolation: boolean) {
    super(message)
    this.isViolation = isViolation
  }
}

export class Rounds {
  readonly counts: Counts = { rounds: 0, kills: 0, instances: 0, diedInside: 0, diedBefore: 0, violations: 0 }
  readonly examples: Array<string> = []
  private readonly subject: Subject
  private readonly players: Players
  private readonly casting: Array<Player> = []
  private readonly random: (below: number) => number

  constructor(subject: Subject, players: Players, seed: number) {
    this.subject = subject
    this.players = players
    this.random = Seed.integers(seed)
  }

  violation(text: string): void {
    this.counts.violations++
    if (this.examples.length < EXAMPLES) this.examples.push(text)
  }

  /** Throws `Stopped`. */
  async round(): Promise<void> {
    const { after, images, place, progress } = this.subject
    for (let thread = 0; thread < place.threads.length; thread++) {
      if (this.casting[thread] !== undefined) continue
      const player = await this.players.take()
      if (typeof player === "string") throw new Stopped(player, false)
      this.casting[thread] = player
    }
    for (const [bytes, image] of images) bytes.set(image)
    progress.clear()
    const victims = this.victims()
    const cast = [...this.casting]
    cast.forEach((player, thread) =>
      player.tell({ _tag: "Go", thread, after: after[thread] ?? -1, seed: this.random(2 ** 31) })
    )
    // What is told leaves this process when its loop turns.
    await new Promise((resolve) => setImmediate(resolve))
    this.kill(victims)
    for (const { thread } of victims) {
      await cast[thread]!.ended
      progress.bury(thread)
      delete this.casting[thread]
      this.counts.kills++
    }
    const dead = victims.map(({ thread }) => thread)
    const alive = cast.map((_, thread) => thread).filter((thread) => !dead.includes(thread))
    const said = await Promise.all(alive.map((thread) => cast[thread]!.next(STUCK_MILLIS)))
    alive.forEach((thread, i) => this.heed(place.threads[thread]!, said[i]))
    this.counts.rounds++
    for (let i = 0; i < progress.instances; i++) this.check(i, dead)
  }

  private victims(): Array<Victim> {
    const { mortal, progress, together } = this.subject
    const left = [...mortal]
    const count = together && this.random(2) === 0 ? 2 : 1
    return Array.from({ length: Math.min(count, left.length) }, () => ({
      thread: left.splice(this.random(left.length), 1)[0]!,
      // The later instances are for those that were not inside in time.
      target: 1 + this.random(Math.ceil(progress.instances / 2)),
      share: this.random(1000) / 1000,
      anywhere: this.random(ANYWHERE) === 0
    }))
  }

  /** Watches them as closely as it can: the moment of a kill is counted in microseconds. */
  private kill(victims: ReadonlyArray<Victim>): void {
    const { progress } = this.subject
    const start = performance.now()
    const left = new Set(victims)
    while (left.size > 0) {
      for (const victim of left) {
        const begun = progress.begun(victim.thread)
        const now = performance.now()
        if (begun > 0) victim.began ??= now
        if (begun >= victim.target && victim.due === undefined) {
          const each = begun > 1 ? (now - victim.began!) / (begun - 1) : FIRST_MILLIS
          victim.due = now + victim.share * each
        }
        const isLate = (begun === 0 && now - start > BEGIN_MILLIS) || progress.hasEnded(victim.thread)
        if (!isLate && (victim.due === undefined || now < victim.due)) continue
        if (!isLate && !victim.anywhere && !progress.isInside(victim.thread)) continue
        this.casting[victim.thread]!.kill()
        left.delete(victim)
      }
      if (victims.every(({ began }) => began === undefined)) Atomics.wait(nap, 0, 0, NAP_MILLIS)
      else if (performance.now() - start > STUCK_MILLIS) {
        const names = Array.from(left, ({ thread }) => this.subject.place.threads[thread]).join(", ")
        throw new Stopped(`${names} did not go on within ${STUCK_MILLIS / 1000} s`, true)
      }
    }
  }

  private heed(name: string, said: Said | undefined | "silent"): void {
    if (said === "silent") throw new Stopped(`${name} did not end within ${STUCK_MILLIS / 1000} s`, true)
    if (said === undefined) throw new Stopped(`the process of ${name} ended by itself`, true)
    if (said._tag === "Unfit") throw new Stopped(`${name}: ${said.message}`, false)
    if (said._tag === "Threw") throw new Stopped(`${name}, instance ${said.instance}: ${said.message}`, true)
  }

  private check(instance: number, dead: ReadonlyArray<number>): void {
    const { model, place, progress, states } = this.subject
    const fates = place.threads.map((_, thread) => progress.fate(thread, instance))
    // It did all it had to, but what it returned is lost: there is no such execution of the model.
    if (fates.includes("afterwards")) return
    this.counts.instances++
    const crashed = dead.filter((thread) => fates[thread] !== "ended")
    if (crashed.some((thread) => fates[thread] === "inside")) this.counts.diedInside++
    else if (crashed.length > 0) this.counts.diedBefore++
    const results = Object.fromEntries(
      place.threads.map((name, thread) => [
        name,
        fates[thread] === "ended" ? progress.result(thread, instance) : undefined
      ])
    )
    const names = crashed.map((thread) => place.threads[thread]!)
    try {
      const info = { steps: 0, crashed: names, history: [] }
      if (model.check?.(states[instance], results as never, info) === false) throw new Error("the check answered false")
    } catch (error) {
      this.violation(`${names.length === 0 ? "nobody" : names.join(" and ")} died: ${describe(error)}`)
    }
  }
}
