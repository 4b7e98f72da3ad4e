/**
 * The second half of a life: the phases of docs/shutdown.md, in their order, each within its deadline.
 *
 * This is the only file that orders the steps of a shutdown.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import type { ShutdownDeadlineExceeded } from "../../tasks/TaskRegistryError.ts"
import type * as Workforce from "../../workers/Workforce.ts"
import type { FinalizerTracker } from "./finalizers.ts"
import { awaitEnd } from "./awaitEnd.ts"
import type { Hook, HookBody, Life } from "./life.ts"
import * as Results from "./results.ts"
import type { Started } from "./start.ts"
import { noteLateFailure } from "./start.ts"

export interface Parts {
  readonly started: Started
  readonly run: Fiber.Fiber<unknown, unknown> | undefined
  readonly onStop: HookBody | undefined
  readonly flush: HookBody | undefined
  readonly postStop: HookBody | undefined
  readonly layerScope: Scope.Closeable
  readonly tracker: FinalizerTracker
}

/** Everything from the request to postStop. */
export const stop = (life: Life, parts: Parts): Effect.Effect<void> =>
  Effect.gen(function* () {
    sayStopping(life)
    const wasRunning = Option.isSome(parts.started.services)
    if (wasRunning) {
      // Without a running service nobody was told it is ready, so nobody needs time to notice.
      yield* life.during(
        "delay",
        life.until(() => life.deadlineNanos("delay"))
      )
    }
    yield* life.during("stopAccepting", stopAccepting(life))
    yield* drain(life, parts)
    yield* life.during("workers", workers(life))
    if (wasRunning) {
      yield* life.during("onStop", life.runHooks("onStop", hook("onStop", parts.onStop)))
      yield* life.during("flush", flush(life, hook("flush", parts.flush)))
    }
    yield* life.during("close", close(life, parts))
    yield* life.during("postStop", life.runHooks("postStop", hook("postStop", parts.postStop)))
  })

/**
 * preStart did not succeed: nothing else runs. An interrupted one is waited for until the tasks' deadline, and what it
 * spawned gets the last words.
 */
export const abandonPreStart = (life: Life, started: Started): Effect.Effect<void> =>
  Effect.gen(function* () {
    const isOver = (): boolean => started.fiber.pollUnsafe() !== undefined
    if (!isOver()) {
      yield* life.during(
        "tasks",
        Effect.raceFirst(
          awaitEnd(started.fiber),
          life.until(() => life.deadlineNanos("tasks"))
        )
      )
    }
    if (!isOver() || life.tasks.snapshotUnsafe().length > 0) {
      const join = Effect.runForkWith(life.context)(life.tasks.joinAll(0))
      const both = Effect.andThen(awaitEnd(started.fiber), awaitEnd(join))
      yield* life.during(
        "lastWords",
        Effect.raceFirst(
          both,
          life.until(() => life.deadlineNanos("lastWords"))
        )
      )
      yield* noteJoin(life, join)
      // It had no deadline to miss: only what outlived the last words is late.
      life.late = life.leftBehind.length > 0
      life.joinError = undefined
    }
    const exit = started.fiber.pollUnsafe()
    if (exit === undefined) life.noteLeft({ type: "start", name: "preStart", phase: "lastWords" })
    else noteLateFailure(life, started, exit)
  })

const sayStopping = (life: Life): void => {
  const live = life.liveAtRequest.length
  const { reason } = life
  // A start that failed has just been told, in one line.
  if (reason === undefined || (life.failedToStart && live === 0)) return
  const budget = Duration.format(Duration.nanos(life.budget.budgetNanos))
  life.log(life.logEvent(`stopping: ${Results.nameOf(reason)}; budget ${budget}, ${live} live task(s)`))
}

const hook = (name: string, run: HookBody | undefined): ReadonlyArray<Hook> =>
  run === undefined ? [] : [{ name, run }]

/** What the layer registered, then the option. */
const flush = (life: Life, option: ReadonlyArray<Hook>): Effect.Effect<void> =>
  Effect.suspend(() => {
    life.flushing = true
    return Effect.andThen(life.runHooks("flush", life.flushHooks), life.runHooks("flush", option))
  })

// -----------------------------------------------------------------------------
// Stop accepting
// -----------------------------------------------------------------------------

/**
 * The root drains, then the hooks run. Like a kind of task, a hook that takes long is waited for only for its share of
 * the time; it goes on beside the draining and is named if it is still running at the tasks' deadline.
 */
const stopAccepting = (life: Life): Effect.Effect<void> =>
  Effect.suspend(() => {
    life.stoppedAccepting = true
    life.root.drainUnsafe(life.reason ?? ShutdownReason.Requested({ by: "Main" }))
    if (life.stopHooks.length === 0) return Effect.void
    const now = life.nowNanos()
    const deadline = life.deadlineNanos("tasks")
    const kinds = new Set(life.tasks.snapshotUnsafe().map((task) => task.kind)).size
    const share = (deadline > now ? deadline - now : 0n) / BigInt(kinds + 1)
    return Effect.raceFirst(
      awaitEnd(life.forkHooks("tasks", life.stopHooks)),
      life.until(() => min(now + share, life.deadlineNanos("tasks")))
    )
  })

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)

// -----------------------------------------------------------------------------
// Drain: tasks, run, a reload, and a start that was interrupted
// -----------------------------------------------------------------------------

/** Something other than a task that is told by the token and waited for like one. */
interface Piece {
  readonly type: "start" | "run" | "hook"
  readonly name: string
  readonly fiber: Fiber.Fiber<unknown, unknown>
}

const drain = (life: Life, parts: Parts): Effect.Effect<void> =>
  Effect.gen(function* () {
    const leave = life.enter("tasks")
    const [now, deadline] = [life.nowNanos(), life.deadlineNanos("tasks")]
    const join = Effect.runForkWith(life.context)(
      life.tasks.joinAll(Duration.nanos(deadline > now ? deadline - now : 0n))
    )
    const pieces = piecesOf(life, parts)
    const fibers = [join, ...pieces.map((piece) => piece.fiber)]
    const all = Effect.andThen(
      Effect.forEach(fibers, awaitEnd, { concurrency: "unbounded", discard: true }),
      life.openHooksEnd
    )
    yield* Effect.raceFirst(
      all,
      life.until(() => life.deadlineNanos("tasks"))
    )
    leave()
    // Stragglers that end as soon as they are interrupted may be gone by now; it was their last words all the same.
    const missed = !Exit.isSuccess(join.pollUnsafe() ?? Exit.interrupt())
    if (missed || life.hasOpenHooks || pieces.some((piece) => isLive(piece.fiber)))
      yield* life.during("lastWords", lastWords(life, parts, pieces, all))
    yield* noteJoin(life, join)
    noteStart(life, parts)
  })

const piecesOf = (life: Life, parts: Parts): ReadonlyArray<Piece> => [
  ...(Option.isSome(parts.started.services)
    ? []
    : [{ type: "start" as const, name: parts.started.step(), fiber: parts.started.fiber }]),
  ...(parts.run === undefined ? [] : [{ type: "run" as const, name: "run", fiber: parts.run }]),
  ...(life.reload.fiber === undefined ? [] : [{ type: "hook" as const, name: "onReload", fiber: life.reload.fiber }])
]

const isLive = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.pollUnsafe() === undefined

/** Stragglers are interrupted, the registry's by the join; all share one grace. */
const lastWords = (
  life: Life,
  parts: Parts,
  pieces: ReadonlyArray<Piece>,
  all: Effect.Effect<void>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const late = pieces.filter((piece) => isLive(piece.fiber))
    for (const { fiber, type } of late) {
      // A start was interrupted when the stop was requested.
      if (type === "start") continue
      life.late = true
      fiber.interruptUnsafe()
    }
    yield* Effect.raceFirst(
      all,
      life.until(() => life.deadlineNanos("lastWords"))
    )
    for (const { fiber, name, type } of late) {
      if (!isLive(fiber)) life.interrupted.push({ type, name })
      else if (type === "start") noteHangingStart(life, parts)
      else life.noteLeft({ type, name, phase: "lastWords" })
    }
  })

/** A build that fails releases what it had by itself; if that hangs, it is a finalizer that hangs. */
const noteHangingStart = (life: Life, parts: Parts): void => {
  const finalizers = parts.tracker.running()
  if (finalizers.length === 0) life.noteLeft({ type: "start", name: parts.started.step(), phase: "lastWords" })
  for (const name of finalizers) life.noteLeft({ type: "finalizer", name, phase: "lastWords" })
  const cause = parts.started.step() === "build" ? parts.tracker.brokenBy() : undefined
  if (cause !== undefined) noteLateFailure(life, parts.started, Exit.failCause(cause))
}

const noteStart = (life: Life, parts: Parts): void => {
  const exit = parts.started.fiber.pollUnsafe()
  if (exit !== undefined) noteLateFailure(life, parts.started, exit)
}

/** The join bounds itself; it ends by the deadline plus the last words. */
const noteJoin = (
  life: Life,
  join: Fiber.Fiber<void, ShutdownDeadlineExceeded | { readonly _tag: "InvalidSetting" }>
): Effect.Effect<void> =>
  Effect.map(awaitEnd(join), () => {
    const exit = join.pollUnsafe()!
    if (Exit.isSuccess(exit)) return
    life.late = true
    life.joinError = exit.cause
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    if (error?._tag !== "ShutdownDeadlineExceeded") return
    life.pending = error.pending
    for (const row of error.pending) {
      if (row.state === "detached")
        life.noteLeft({ type: "task", name: `${row.name} (${row.kind} #${row.id})`, phase: "lastWords" })
    }
  })

// -----------------------------------------------------------------------------
// Workers
// -----------------------------------------------------------------------------

/** How long killed workers are waited for: a fifth of what there is, a second at most. */
const KILL_NANOS = 1_000_000_000n

/** All containers at once, on one deadline; who is left is named. */
const workers = (life: Life): Effect.Effect<void> =>
  Effect.suspend(() => {
    const deadline = (): bigint => life.deadlineNanos("workers")
    const kill = min(KILL_NANOS, (deadline() - life.nowNanos()) / 5n)
    const graceEnd = (): bigint => deadline() - kill
    const limits: Workforce.Limits = {
      graceMillis: () => Math.max(0, Number(graceEnd() - life.nowNanos()) / 1e6),
      graceOver: life.until(graceEnd),
      waitOver: life.until(deadline),
      forced: life.root.awaitForced,
      reason: life.reason === undefined ? "shutdown" : ShutdownReason.describe(life.reason)
    }
    return Effect.forEach(
      life.workforce,
      (member) =>
        Effect.map(member.drain(limits), (left) => {
          for (const name of left) life.noteLeft({ type: "worker", name, phase: "workers" })
        }),
      { concurrency: "unbounded", discard: true }
    )
  })

// -----------------------------------------------------------------------------
// Close
// -----------------------------------------------------------------------------

const close = (life: Life, parts: Parts): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { layerScope, tracker } = parts
    tracker.watch()
    const exit = life.failure === undefined ? Exit.void : Exit.failCause(life.failure.cause)
    const fiber = Effect.runForkWith(life.context)(Scope.close(layerScope, exit))
    const ended = yield* life.awaitUntil(fiber, () => life.deadlineNanos("close"))
    for (const { cause, name } of tracker.died) life.fault("close", `finalizer of ${name}`, cause)
    if (Option.isNone(ended)) {
      for (const name of tracker.running()) life.noteLeft({ type: "finalizer", name, phase: "close" })
    } else if (Exit.isFailure(ended.value) && tracker.died.length === 0) {
      life.fault("close", "a finalizer", ended.value.cause)
    }
  })
