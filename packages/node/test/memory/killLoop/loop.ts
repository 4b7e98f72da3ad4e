/**
 * The kill loop: three processes that produce, consume, register, count and notify in one space, killed by SIGKILL at random
 * moments, again and again, and replaced.
 *
 * **Invariants** (a broken one is a violation)
 *
 * 1. A consumer that is never killed sees each producer's values 1, 2, 3, … without a gap; so does each killed one from where it
 *    begins, and its heir begins no later than it had come.
 * 2. Every claimed record was delivered or is counted as a tombstone; tombstones are at most one batch a kill.
 * 3. A new member joins within the liveness limit: the seat of the one before has to be recovered for that. And when it has joined,
 *    the ring, which may have been full behind that seat, moves on within it.
 * 4. The counter of what is published never falls, and is short of what was delivered by at most one batch a kill.
 * 5. No token is dead at the end: each is handed out once more. What was said about a token was heard, but for one time a kill.
 * 6. At the end nobody dead has a slot in the table of strands, a place among the participants, or a seat in the ring.
 *
 * 7. Where the owner is a process too: the next one adopts the space within the liveness limit, recovers those who died before, and takes
 *    tokens where the one before had stopped.
 *
 * With recovery off the same loop has to fail: it ends at its first violation.
 *
 * @internal
 */
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as RingSnapshot from "@selvedge/core/ring/RingSnapshot"
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { type Member, Spares } from "./members.ts"
import { Owners } from "./owners.ts"
import { listen, make, open, type Prepared, recover } from "./prepared.ts"
import {
  CAPACITY,
  Continuity,
  handedOutOf,
  heardOf,
  MEMBERS,
  MOST_BATCH,
  saidOf,
  type Steps,
  TOKENS,
  waitsOf
} from "./shape.ts"

export interface Options {
  readonly seed: number
  /** It ends when either is reached. */
  readonly seconds: number
  readonly kills: number
  /** Off: nobody recovers anything. */
  readonly recovery: boolean
  /** The space's owner, which recovers and is the notifier's poller, is a process that is killed too. */
  readonly owner: boolean
}

export interface Result {
  readonly counts: Readonly<Record<string, number>>
  /** Milliseconds until it took part, had its regions, its seat, and a producer. */
  readonly ofTheSlowestJoin: Steps
  readonly violations: ReadonlyArray<string>
}

/**
 * How long a survivor may wait, in milliseconds, before it is taken to wait for ever. What it does wait is in the counts; a machine
 * that is busy with other things must not be taken for a lost wake-up.
 */
const LIVENESS_MILLIS = 120_000
/** With recovery off nothing ends the waiting, and there is no need to wait long for that. */
const PATIENCE_MILLIS = 3000

/** Between two looks at the end, and how many: until it is taken never to come. */
const TURN_MILLIS = 50
const TURNS = LIVENESS_MILLIS / TURN_MILLIS

/** Percentiles of a sample, in whole milliseconds. */
const spread = (name: string, sample: ReadonlyArray<number>): Readonly<Record<string, number>> => {
  const sorted = sample.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? 0)
  return { [`${name}P50Millis`]: at(0.5), [`${name}P99Millis`]: at(0.99), [`${name}MaxMillis`]: at(1) }
}

/** What is watched while members come and go. */
class Watch {
  readonly violations: Array<string> = []
  readonly continuity = new Continuity()
  kills = 0
  ownerKills = 0
  readonly silences: Array<number> = []
  readonly joins: Array<number> = []
  readonly adoptions: Array<number> = []
  slowest: { readonly millis: number; readonly steps: Steps } = { millis: 0, steps: [0, 0, 0, 0] }
  private total = 0

  violation(text: string): void {
    // The first few say it all.
    if (this.violations.length < 20) this.violations.push(text)
  }

  joined(millis: number, steps: Steps): void {
    this.joins.push(millis)
    if (millis > this.slowest.millis) this.slowest = { millis, steps }
  }

  /** Invariant 4. */
  counted(total: number): void {
    if (total < this.total) this.violation(`the counter fell from ${this.total} to ${total}`)
    this.total = total
  }
}

const observe = Effect.fnUntraced(function* ({ ring }: Prepared, watch: Watch) {
  const consumer = yield* Consumer.make(ring, { id: "observer" })
  const taking = Effect.map(Consumer.takeBatch(consumer, CAPACITY), (batch) => {
    for (const { value, who } of batch) {
      const text = watch.continuity.see(who, value, false)
      if (text !== undefined) watch.violation(`observer: ${text}`)
    }
  })
  return Effect.forever(taking).pipe(Effect.catchTag("RingClosed", () => Effect.void))
})

const publishedIn = ({ counters }: Prepared): number =>
  counters.snapshotUnsafe().reduce((sum, { name, value }) => (name === "published" ? sum + value : sum), 0)

/** Where everybody stands, for a violation. */
const explained = Effect.fnUntraced(function* ({ ring }: Prepared) {
  const { claimed, seats, tombstones } = yield* RingSnapshot.snapshot(ring)
  const all = yield* MappedMemory.participants
  return [
    `${claimed} claimed, ${tombstones} tombstones`,
    ...seats.map(({ id, lag, owner, state }) => `${id} ${state} of ${owner} lags ${lag}`),
    ...all.map(({ isAlive, life, pid }) => `life ${life} of process ${pid} ${isAlive ? "lives" : "is dead"}`)
  ].join("; ")
})

class Loop {
  readonly watch = new Watch()
  private readonly options: Options
  private readonly place: { readonly directory: string; readonly name: string }
  private readonly spares = new Spares(3)
  private readonly members: Array<Member> = []
  private readonly owners: Owners | undefined
  private readonly random: (below: number) => number

  constructor(
    options: Options,
    place: { readonly directory: string; readonly name: string },
    owners: Owners | undefined
  ) {
    this.options = options
    this.owners = owners
    this.place = place
    this.random = Seed.integers(options.seed)
  }

  /** Starts a member in a place; resolves when it has joined, or was killed before. */
  async join(place: number, member: Member, killedAfter?: number): Promise<void> {
    const start = performance.now()
    const limit = this.options.recovery ? LIVENESS_MILLIS : PATIENCE_MILLIS
    this.members[place] = member
    const joined = new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.watch.violation(`member ${place} has not joined within ${limit} ms`)
        resolve()
      }, limit)
      member.on((said) => {
        switch (said?._tag) {
          case "Ready":
            this.watch.joined(performance.now() - start, said.steps)
            if (said.skipped > 0) this.watch.violation(`member ${place}: its heir skipped ${said.skipped} record(s)`)
            break
          case "Violation":
            return this.watch.violation(said.text)
          case "Done":
            member.done = said
            return
          case "Warm":
            return
        }
        clearTimeout(timer)
        resolve()
      })
    })
    member.tell({ _tag: "Go", ...this.place, member: place, recovery: this.options.recovery })
    if (killedAfter === undefined) return joined
    await new Promise((resolve) => setTimeout(resolve, killedAfter))
    await this.kill(place)
  }

  async kill(place: number): Promise<void> {
    const member = this.members[place]
    if (member === undefined) return
    this.watch.kills++
    await member.kill()
  }

  private someSpares(count: number): Promise<ReadonlyArray<Member>> {
    return Promise.all(Array.from({ length: count }, () => this.spares.take()))
  }

  /** One turn: somebody is killed, at times two at once, at times while joining; and replaced. */
  async turn(): Promise<void> {
    const { random } = this
    await new Promise((resolve) => setTimeout(resolve, random(40)))
    const first = random(MEMBERS)
    const victims = random(5) === 0 ? [first, (first + 1) % MEMBERS] : [first]
    // Their heirs are there before they are killed, so that what is measured is not how long Node takes to start.
    const heirs = await Promise.all(
      victims.map(async (place) => ({ place, members: await this.someSpares(random(6) === 0 ? 2 : 1) }))
    )
    await Promise.all([
      this.owners !== undefined && random(8) === 0 ? this.replaceOwner(this.owners) : undefined,
      ...heirs.map(async ({ members: [first, second], place }) => {
        await this.kill(place)
        if (second !== undefined) await this.join(place, second, random(60))
        await this.join(place, first!)
      })
    ])
  }

  /** The next owner adopts within the liveness limit. */
  private async replaceOwner(owners: Owners): Promise<void> {
    const start = performance.now()
    this.watch.ownerKills++
    await owners.replace()
    const millis = performance.now() - start
    this.watch.adoptions.push(millis)
    if (millis > LIVENESS_MILLIS) this.watch.violation(`the space had no owner for ${Math.round(millis)} ms`)
  }

  /** Invariant 3: waits until something has been delivered since all have joined. */
  async progress(explain: () => Promise<string>): Promise<void> {
    const { watch } = this
    const before = watch.continuity.count
    const start = performance.now()
    const limit = this.options.recovery ? LIVENESS_MILLIS : PATIENCE_MILLIS
    while (watch.continuity.count === before && watch.violations.length === 0) {
      if (performance.now() - start > limit) {
        return watch.violation(`nothing was delivered for ${limit} ms: ${await explain()}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    watch.silences.push(performance.now() - start)
  }

  async run(prepared: Prepared, explain: () => Promise<string>): Promise<void> {
    const { kills, seconds } = this.options
    const { watch } = this
    const first = await this.someSpares(MEMBERS)
    await Promise.all(first.map((member, place) => this.join(place, member)))
    const end = performance.now() + seconds * 1000
    while (performance.now() < end && watch.kills < kills && watch.violations.length === 0) {
      await this.turn()
      watch.counted(publishedIn(prepared))
      await this.progress(explain)
    }
  }

  /** Everybody stops in order. */
  async stop(close: () => Promise<unknown>): Promise<void> {
    const { watch } = this
    for (const member of this.members) member.tell({ _tag: "Stop" })
    await new Promise((resolve) => setTimeout(resolve, 200))
    await close()
    await Promise.all(
      this.members.map(async (member, place) => {
        const late = new Promise((resolve) => setTimeout(resolve, LIVENESS_MILLIS).unref()).then(() => "late")
        if ((await Promise.race([member.ended, late])) === "late") watch.violation(`member ${place} did not stop`)
        else if (member.process.exitCode !== 0) {
          watch.violation(`member ${place} ended with ${member.process.exitCode}: ${member.stderr}`)
        }
      })
    )
  }

  async clear(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()))
    await this.spares.end()
  }
}

/** Invariants 2, 5 and 6, when all have left. */
const settle = Effect.fnUntraced(function* (prepared: Prepared, watch: Watch, producedHere: number, isOwned: boolean) {
  const { board, notifier, ring, strands } = prepared
  const [heard, handedOut] = [heardOf(board), handedOutOf(board)]
  const unheard = Array.from(saidOf(board), (count, token) => count - (heard[token] ?? 0)).filter((n) => n > 0).length
  // A poller takes with it what it was handed.
  if (unheard > watch.kills + watch.ownerKills * TOKENS)
    watch.violation(`${unheard} tokens were not heard of after ${watch.kills} kills`)
  handedOut.fill(0)
  for (let token = 0; token < TOKENS; token++) yield* Notifier.notify(notifier, token)
  const dead = (): number => handedOut.filter((_, token) => Atomics.load(handedOut, token) === 0).length
  yield* eventually(() => dead() === 0)
  if (dead() > 0) watch.violation(`${dead()} token(s) are dead`)
  const { claimed, seats, tombstones } = yield* RingSnapshot.snapshot(ring)
  const delivered = watch.continuity.count
  if (claimed !== delivered + tombstones) {
    watch.violation(`${claimed} claimed, ${delivered} delivered, ${tombstones} tombstones`)
  }
  if (tombstones > (watch.kills + MEMBERS) * MOST_BATCH) {
    watch.violation(`${tombstones} tombstones after ${watch.kills} kills`)
  }
  const counted = publishedIn(prepared) + producedHere
  if (counted > delivered || counted < delivered - watch.kills * MOST_BATCH) {
    watch.violation(`${counted} counted, ${delivered} delivered, ${watch.kills} kills`)
  }
  const survivors = isOwned ? 1 : 2
  const isCalm = Effect.map(
    MappedMemory.participants,
    (all) => all.length === survivors && strands.totalsUnsafe().active === 0
  )
  let calm = false
  for (let i = 0; i < TURNS && !(calm = yield* isCalm); i++) yield* Effect.sleep(TURN_MILLIS)
  if (!calm) {
    const rows = (yield* MappedMemory.participants).length
    watch.violation(`${rows} participants and ${strands.totalsUnsafe().active} strands are left`)
  }
  const vacant = seats.filter(({ state }) => state === "Vacant").length
  if (vacant > 0) watch.violation(`${vacant} seats are vacant`)
  return { claimed, tombstones, delivered, counted, unheard }
})

const eventually = (isSo: () => boolean, turns = TURNS): Effect.Effect<void> =>
  Effect.suspend(() =>
    isSo() || turns === 0 ? Effect.void : Effect.andThen(Effect.sleep(TURN_MILLIS), eventually(isSo, turns - 1))
  )

const program = Effect.fnUntraced(function* (
  options: Options,
  place: { readonly directory: string; readonly name: string },
  owners: Owners | undefined
) {
  const prepared = owners === undefined ? yield* make : yield* open(MEMBERS)
  if (owners === undefined) {
    if (options.recovery) yield* recover(prepared)
    yield* Effect.forkChild(listen(prepared))
  }
  const loop = yield* Effect.acquireRelease(
    Effect.sync(() => new Loop(options, place, owners)),
    (one) => Effect.promise(() => one.clear())
  )
  const { watch } = loop
  const observing = yield* Effect.forkChild(yield* observe(prepared, watch))
  // So that the multi-producer ring has one producer that is never killed.
  const producer = yield* Producer.make(prepared.ring)
  yield* Producer.publish(producer, { who: 0, value: 1 })
  const services = yield* Effect.context<MappedMemory.MappedMemory>()
  const explain = () => Effect.runPromise(Effect.provide(explained(prepared), services))
  yield* Effect.promise(() => loop.run(prepared, explain))
  const counts = {
    kills: watch.kills,
    ...spread("standstill", watch.silences),
    ...spread("join", watch.joins),
    ownerKills: watch.ownerKills,
    ...spread("adoption", watch.adoptions),
    longestWaitMillis: Math.round(Math.max(...waitsOf(prepared.board)) / 1000)
  }
  const ofTheSlowestJoin = watch.slowest.steps
  if (watch.violations.length > 0) return { counts, ofTheSlowestJoin, violations: watch.violations }
  yield* Effect.promise(() => loop.stop(() => Effect.runPromise(Ring.close(prepared.ring))))
  yield* Effect.timeoutOption(Fiber.join(observing), LIVENESS_MILLIS)
  const settled = yield* settle(prepared, watch, 1, owners === undefined)
  return { counts: { ...counts, ...settled }, ofTheSlowestJoin, violations: watch.violations }
})

/** Runs the loop in a space of its own. */
export const runLoop = async (options: Options): Promise<Result> => {
  const folder = mkdtempSync(path.join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "selvedge-kills-"))
  const place = { directory: path.join(folder, "space"), name: "kills" }
  const owners = options.owner ? new Owners(place, options.recovery) : undefined
  const space =
    owners === undefined
      ? MappedMemory.layerMapped(place)
      : MappedMemory.layerAttached({ ...place, timeout: "4 minutes" })
  try {
    await owners?.replace()
    const layer = Layer.merge(space, KeepAlive.layer)
    return await Effect.runPromise(Effect.scoped(program(options, place, owners)).pipe(Effect.provide(layer)))
  } finally {
    await owners?.end()
    rmSync(folder, { recursive: true, force: true })
  }
}
