/**
 * Task registry churn: random tasks of random behaviour are spawned, aborted
 * and joined, by several joiners at once, and the books are checked throughout.
 *
 * An _episode_ is one registry. In a friendly one every task ends by itself or
 * when its token drains, so a join with a long deadline has to succeed. In a
 * hostile one some tasks never end and some do not even heed interruption (they
 * are let go at the end), so a short join has to name exactly who was live.
 * After its join a registry is opened again, once, for a second round. Two kinds
 * have limits: at one a spawn is refused, at the other it waits.
 * Time is virtual and moves only when nobody has anything left to do, so an
 * episode is a function of its seed and no pause of the machine can look like a
 * task that took too long.
 *
 * **Invariants** (a broken one is a violation)
 *
 * 1. The registry's size is the number of handles that are not done, and its
 *    snapshot lists exactly those, in ascending ids.
 * 2. A task that was never detached completes before its parent does.
 * 3. A friendly join succeeds in no time at all; a hostile one that fails names
 *    each task at most once, calls `detached` whoever still lives, and has ended
 *    by the shortest deadline plus the last words.
 * 4. Joiners of one run, and one who joins afterwards, get the same outcome.
 * 5. A closed registry refuses roots, and nothing that was admitted escapes the
 *    join: at its end only what it called detached is live.
 * 6. In the end spawned = succeeded + failed + interrupted, and nobody is live.
 * 7. No kind has more live tasks than its limit, and no spawn waits for ever.
 *
 * @internal
 */
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import type * as Task from "@selvedge/core/tasks/Task"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Seed from "@selvedge/testing/faults/Seed"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"

const KINDS = ["PeerConnection", "RpcHandler", "Report", "BackgroundLoop", "Maintenance"] as const
const LIMITS: Readonly<Record<string, number>> = { Refusing: 4, Waiting: 3 }
const LAST_WORDS_MILLIS = 1000
const EPISODE_LIMIT_MILLIS = 200_000
/** More turns than any chain of tasks here needs to come to rest. */
const SETTLING_TURNS = 150

const settle = Effect.repeat(Effect.yieldNow, { times: SETTLING_TURNS })
const MOST_VIOLATIONS = 20

interface Known {
  readonly handle: Task.Task<void, string>
  readonly deaf: boolean
  /** When it completed, as a place in the order of completions. */
  completed: number | undefined
  readonly parent: number | undefined
}

/** One registry, what is known about its tasks, and what was found wrong. */
class Episode {
  readonly known = new Map<number, Known>()
  readonly release = Deferred.makeUnsafe<void>()
  readonly random: (below: number) => number
  readonly friendly: boolean
  readonly registry: TaskRegistry.Shape
  readonly report: (violation: string) => void
  /** Spawns that have not answered yet; some wait for a place. */
  private readonly asking = new Set<Fiber.Fiber<unknown>>()
  private completions = 0
  refused = 0

  constructor(options: {
    readonly random: (below: number) => number
    readonly registry: TaskRegistry.Shape
    readonly report: (violation: string) => void
  }) {
    this.random = options.random
    this.friendly = options.random(2) === 0
    this.registry = options.registry
    this.report = options.report
  }

  private readonly yields: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(Array.from({ length: this.random(6) }), () => Effect.yieldNow, { discard: true })
  )

  private ending(deaf: boolean): Effect.Effect<void, string, ShutdownToken.ShutdownToken> {
    if (deaf) return Effect.uninterruptible(Deferred.await(this.release))
    const { yields } = this
    switch (this.random(this.friendly ? 6 : 8)) {
      case 0:
        return Effect.andThen(yields, Effect.fail("planned failure"))
      case 1:
        return Effect.andThen(yields, Effect.die("planned defect"))
      case 2:
        return Effect.uninterruptible(yields)
      case 3:
      case 4:
        return Effect.andThen(ShutdownToken.awaitDraining, this.random(2) === 0 ? yields : this.spawnOne(3))
      case 6:
      case 7:
        return Effect.never
      default:
        return yields
    }
  }

  private body(depth: number, deaf: boolean): Effect.Effect<void, string, ShutdownToken.ShutdownToken> {
    const children = depth < 3 ? Math.max(0, this.random(5) - 2) : 0
    return Effect.gen({ self: this }, function* () {
      for (let i = 0; i < children; i++) yield* this.spawnOne(depth + 1)
      yield* this.ending(deaf)
    })
  }

  /** A task that waits for a place may wait for one its own ancestors hold, so in friendly episodes only roots wait. */
  private kindAt(depth: number): string {
    const choice = this.random(KINDS.length + 2)
    if (choice === KINDS.length) return "Refusing"
    if (choice > KINDS.length && (depth === 0 || !this.friendly)) return "Waiting"
    return KINDS[choice % KINDS.length] ?? "Report"
  }

  /** Asks for a root without waiting for the answer, which may take a place's becoming free. */
  private readonly ask: Effect.Effect<void, never, ShutdownToken.ShutdownToken> = Effect.gen(
    { self: this },
    function* () {
      const asking = yield* Effect.forkDetach(this.spawnOne(0), { startImmediately: true })
      this.asking.add(asking)
      asking.addObserver(() => this.asking.delete(asking))
    }
  )

  /** Gives up one wait for a place, if there is one. */
  private readonly giveUp: Effect.Effect<void> = Effect.suspend(() => {
    const [asking] = this.asking
    return asking === undefined ? Effect.void : Fiber.interrupt(asking)
  })

  /** Spawns a task as a child of the caller's, if the caller is one. */
  spawnOne(depth: number): Effect.Effect<void, never, ShutdownToken.ShutdownToken> {
    return Effect.gen({ self: this }, function* () {
      const deaf = !this.friendly && this.random(40) === 0
      const kind = this.kindAt(depth)
      const startImmediately = this.random(3) === 0
      const options = { name: `task-${this.random(12)}`, kind, startImmediately, detached: this.random(10) === 0 }
      const spawned = yield* Effect.exit(this.registry.spawn(this.body(depth, deaf), options))
      if (Exit.isFailure(spawned)) {
        this.refused++
        return
      }
      const handle = spawned.value
      const known: Known = {
        handle,
        deaf,
        completed: undefined,
        parent: Option.getOrUndefined(handle.parentId)
      }
      this.known.set(handle.id, known)
      // The order of completions as the registry tells it: waiters are woken in the turn of the completion.
      yield* Effect.forkDetach(
        Effect.map(handle.await, () => {
          known.completed = ++this.completions
        }),
        { startImmediately: true }
      )
    })
  }

  /** Invariant 1. */
  readonly checkBooks: Effect.Effect<void> = Effect.sync(() => {
    const rows = this.registry.snapshotUnsafe()
    const listed = rows.map((row) => row.id)
    for (const [kind, limit] of Object.entries(LIMITS)) {
      const count = rows.filter((row) => row.kind === kind).length
      if (count > limit) this.report(`${count} live tasks of kind ${kind}, ${limit} allowed`)
    }
    const live = [...this.known.values()].filter((one) => one.handle.state !== "done").map((one) => one.handle.id)
    const expected = live.toSorted((a, b) => a - b).join()
    if (listed.join() !== expected) this.report(`snapshot lists ${listed.join()}, live are ${expected}`)
  })

  readonly churn: Effect.Effect<void, never, ShutdownToken.ShutdownToken> = Effect.gen({ self: this }, function* () {
    const steps = 20 + this.random(150)
    for (let i = 0; i < steps; i++) {
      const choice = this.random(11)
      if (choice < 6) yield* this.ask
      else if (choice === 10) yield* this.giveUp
      else if (choice === 6) yield* Effect.sync(() => [...this.known.values()].at(-1)?.handle.abortUnsafe())
      else if (choice === 7) yield* this.abortSome
      else yield* Effect.yieldNow
      yield* this.checkBooks
    }
  })

  /** By name or id, not waited for: a deaf task would hold the one who waits. */
  private readonly abortSome: Effect.Effect<void> = Effect.suspend(() => {
    const ids = [...this.known.keys()]
    const target = this.random(2) === 0 ? `task-${this.random(12)}` : (ids[this.random(ids.length)] ?? 0)
    return Effect.asVoid(Effect.forkDetach(this.registry.abort(target), { startImmediately: true }))
  })

  /** Lets time pass until all joiners are back, and reports when that took longer than it may. */
  private passTime(joiners: ReadonlyArray<Fiber.Fiber<void, unknown>>, mostMillis: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const waiting = (): boolean => joiners.some((fiber) => fiber.pollUnsafe() === undefined)
      let millis = 0
      yield* settle
      while (waiting()) {
        const step = millis < 5 ? 1 : LAST_WORDS_MILLIS / 5
        yield* TestClock.adjust(step)
        yield* settle
        yield* this.checkBooks
        millis += step
        if (millis > mostMillis && waiting()) {
          this.report(`joiners still wait after ${millis} ms, ${mostMillis} allowed`)
          return yield* TestClock.adjust("10 minutes")
        }
      }
    })
  }

  /** Invariants 5 and 7: a root asked for after the close is refused, and so is everybody who waited outside of a task. */
  private readonly probe: Effect.Effect<void, never, ShutdownToken.ShutdownToken> = Effect.gen(
    { self: this },
    function* () {
      const options = { name: "probe", kind: "Report" }
      const exit = yield* Effect.exit(this.registry.spawn(Effect.void, options))
      if (Exit.isSuccess(exit)) this.report("a root was admitted after the join began")
      yield* settle
      if (this.asking.size > 0) this.report(`${this.asking.size} root(s) still wait for a place after the join began`)
    }
  )

  /** Several joiners, one of them interrupted; answers with the run's outcome. */
  readonly join: Effect.Effect<Exit.Exit<void, unknown>, never, ShutdownToken.ShutdownToken> = Effect.gen(
    { self: this },
    function* () {
      const joiners = 1 + this.random(3)
      const deadlines = Array.from({ length: joiners }, () => (this.friendly ? 60_000 : this.random(6)))
      const fibers: Array<Fiber.Fiber<void, unknown>> = []
      for (const deadline of deadlines) {
        fibers.push(yield* Effect.forkDetach(this.registry.joinAll(deadline), { startImmediately: true }))
      }
      if (this.random(3) === 0) {
        const leaving = yield* Effect.forkDetach(this.registry.joinAll("1 minute"), { startImmediately: true })
        yield* Fiber.interrupt(leaving)
      }
      yield* this.checkBooks
      yield* this.probe
      yield* this.passTime(fibers, this.friendly ? 0 : Math.min(...deadlines) + LAST_WORDS_MILLIS)
      const exits = yield* Fiber.awaitAll(fibers)
      yield* this.checkBooks
      exits.push(yield* Effect.exit(this.registry.joinAll("1 minute")))
      const outcomes = new Set(exits.map((exit) => (Exit.isSuccess(exit) ? "success" : String(exit.cause))))
      if (outcomes.size !== 1) this.report(`joiners disagree: ${[...outcomes].join(" / ")}`)
      return exits[0] ?? Exit.void
    }
  )

  /** Invariants 3 and 5. */
  checkOutcome(exit: Exit.Exit<void, unknown>): void {
    const live = [...this.known.values()].filter((one) => one.handle.state !== "done")
    const notDeaf = live.filter((one) => !one.deaf && ![...this.below(one)].some((child) => child.deaf))
    if (notDeaf.length > 0) this.report(`left after the join: ${notDeaf.map((one) => one.handle.id).join()}`)
    if (Exit.isSuccess(exit)) {
      if (live.length > 0) this.report(`the join succeeded with ${live.length} live`)
      return
    }
    if (this.friendly) this.report(`a friendly join failed: ${String(exit.cause)}`)
    const error = exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
    const pending = (error as { readonly pending?: ReadonlyArray<{ readonly id: number; readonly state: string }> })
      ?.pending
    if (pending === undefined) return this.report(`the join failed otherwise: ${String(exit.cause)}`)
    if (new Set(pending.map((one) => one.id)).size !== pending.length) this.report("a straggler is named twice")
    const detached = pending.filter((one) => one.state === "detached").map((one) => one.id)
    const left = live.map((one) => one.handle.id)
    if (left.some((id) => !detached.includes(id)))
      this.report(`live ${left.join()}, called detached ${detached.join()}`)
  }

  private *below(one: Known): Generator<Known> {
    for (const other of this.known.values()) {
      if (other.parent !== one.handle.id) continue
      yield other
      yield* this.below(other)
    }
  }

  /** Invariants 2 and 6, once everybody was let go. */
  readonly checkEnd: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    const { live, spawned, ...ended } = yield* this.registry.stats
    if (live !== 0) this.report(`${live} live at the end`)
    if (spawned !== this.known.size) this.report(`${spawned} counted as spawned, ${this.known.size} handles`)
    const sum = ended.succeeded + ended.failed + ended.interrupted
    if (sum !== spawned) this.report(`spawned ${spawned}, ended ${sum}`)
    for (const child of this.known.values()) {
      const parent = child.parent === undefined ? undefined : this.known.get(child.parent)
      if (child.completed === undefined) this.report(`task ${child.handle.id} never completed`)
      else if (parent?.completed !== undefined && parent.completed < child.completed && !this.wasDetached(child)) {
        this.report(`task ${child.handle.id} completed after its parent ${parent.handle.id}`)
      }
    }
  })

  /** A child that outlived the last words was moved to the root: it has no parent any more. */
  private wasDetached(child: Known): boolean {
    return Option.isNone(child.handle.parentId)
  }
}

const episode = (
  random: (below: number) => number,
  report: (violation: string) => void
): Effect.Effect<{ readonly tasks: number; readonly refused: number; readonly failedJoin: boolean }> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const kinds = {
      Refusing: { limit: LIMITS["Refusing"], whenFull: "refuse" },
      Waiting: { limit: LIMITS["Waiting"], whenFull: "wait" }
    } as const
    const layer = TaskRegistry.layerRoot({ lastWords: LAST_WORDS_MILLIS, kinds })
    const context = yield* Effect.orDie(Layer.buildWithScope(layer, scope))
    const one = new Episode({ random, registry: Context.get(context, TaskRegistry.TaskRegistry), report })
    const body = Effect.gen(function* () {
      yield* one.churn
      const first = yield* one.join
      one.checkOutcome(first)
      yield* Effect.orDie(one.registry.reopen)
      yield* one.churn
      const exit = yield* one.join
      one.checkOutcome(exit)
      Deferred.doneUnsafe(one.release, Exit.void)
      yield* one.registry.awaitEmpty
      yield* settle
      yield* one.checkEnd
      return Exit.isFailure(first) || Exit.isFailure(exit)
    })
    const failedJoin = yield* Effect.provideContext(body, context)
    yield* Scope.close(scope, Exit.void)
    return { tasks: one.known.size, refused: one.refused, failedJoin }
  })

/** Runs one episode; `undefined` if it never ends. */
const runEpisode = async (seed: number, report: (violation: string) => void) => {
  const services = Layer.merge(Logger.layer([]), TestClock.layer())
  const running = Effect.runPromise(Effect.provide(episode(Seed.integers(seed), report), services))
  const limit = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => limit.resolve(undefined), EPISODE_LIMIT_MILLIS)
  try {
    return await Promise.race([running, limit.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Episodes, one after the other, until the seconds are over. */
export const run = async (options: { readonly seed: number; readonly seconds: number }) => {
  const violations: Array<string> = []
  const counts = { episodes: 0, tasks: 0, refused: 0, failedJoins: 0 }
  const end = performance.now() + options.seconds * 1000
  while (performance.now() < end && violations.length < MOST_VIOLATIONS) {
    const number = counts.episodes++
    const report = (violation: string): void => {
      if (violations.length < MOST_VIOLATIONS) violations.push(`seed ${options.seed + number}: ${violation}`)
    }
    const ended = await runEpisode(options.seed + number, report)
    if (ended === undefined) {
      report(`did not end within ${EPISODE_LIMIT_MILLIS} ms`)
      break
    }
    const { failedJoin, refused, tasks } = ended
    counts.tasks += tasks
    counts.refused += refused
    if (failedJoin) counts.failedJoins++
  }
  return { counts, violations }
}
