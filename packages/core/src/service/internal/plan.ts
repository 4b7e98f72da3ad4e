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
import type { FinalizerTracker } from "./finalizers.ts"
import type { Hook, HookBody, Life } from "./life.ts"
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
    const timeline = life.beginTimeline()
    const reason = life.reason ?? ShutdownReason.Requested({ by: "Main" })
    yield* Effect.logInfo(
      `stopping: ${ShutdownReason.describe(reason)}; budget ${Duration.format(Duration.nanos(life.budget.budgetNanos))}, ` +
        `${life.liveAtRequest.length} live task(s)`
    )
    const wasRunning = Option.isSome(parts.started.services)
    if (wasRunning) {
      // Without a running service nobody was told it is ready, so nobody needs time to notice.
      yield* life.during(
        "delay",
        life.until(() => timeline.deadlineNanos("delay", life.nowNanos()))
      )
    }
    yield* life.during("stopAccepting", stopAccepting(life, reason))
    yield* drain(life, parts)
    yield* life.during("workers", Effect.void)
    if (wasRunning) {
      yield* life.during("onStop", life.runHooks("onStop", hook("onStop", parts.onStop)))
      yield* life.during("flush", life.runHooks("flush", [...life.flushHooks, ...hook("flush", parts.flush)]))
    }
    yield* life.during("close", close(life, parts))
    yield* life.during("postStop", life.runHooks("postStop", hook("postStop", parts.postStop)))
  })

const hook = (name: string, run: HookBody | undefined): ReadonlyArray<Hook> =>
  run === undefined ? [] : [{ name, run }]

// -----------------------------------------------------------------------------
// Stop accepting
// -----------------------------------------------------------------------------

/**
 * The root drains, then the hooks run. Like a kind of task, a hook that takes long is waited for only for its share of
 * the time; it goes on beside the draining and is named if it is still running at the tasks' deadline.
 */
const stopAccepting = (life: Life, reason: ShutdownReason.ShutdownReason): Effect.Effect<void> =>
  Effect.suspend(() => {
    life.stoppedAccepting = true
    life.root.drainUnsafe(reason)
    if (life.stopHooks.length === 0) return Effect.void
    const now = life.nowNanos()
    const deadline = life.deadlineNanos("tasks")
    const kinds = new Set(life.tasks.snapshotUnsafe().map((task) => task.kind)).size
    const share = (deadline > now ? deadline - now : 0n) / BigInt(kinds + 1)
    return Effect.raceFirst(
      Effect.andThen(lateHooks(life), Effect.void),
      life.until(() => min(now + share, life.deadlineNanos("tasks")))
    )
  })

/** The hooks in a fiber that outlives the phase. */
const lateHooks = (life: Life): Effect.Effect<void> =>
  Effect.suspend(() => {
    const fiber = Effect.runForkWith(life.context)(life.runHooks("tasks", life.stopHooks))
    return Effect.callback<void>((resume) => {
      fiber.addObserver(() => resume(Effect.void))
    })
  })

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)

// -----------------------------------------------------------------------------
// Drain: tasks, run, and a start that was interrupted
// -----------------------------------------------------------------------------

const drain = (life: Life, parts: Parts): Effect.Effect<void> =>
  Effect.gen(function* () {
    const began = life.nowNanos()
    const deadline = life.enter("tasks")
    const left = deadline > began ? deadline - began : 0n
    const join = Effect.runForkWith(life.context)(life.tasks.joinAll(Duration.nanos(left)))
    // Observed at once: an exit must not be missed because the plan looks at another fiber first.
    const fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>> = [
      join,
      ...(Option.isNone(parts.started.services) ? [parts.started.fiber] : []),
      ...(parts.run === undefined ? [] : [parts.run])
    ]
    const all = Effect.forEach(fibers, (fiber) => awaitEnd(fiber), { concurrency: "unbounded", discard: true })
    yield* Effect.raceFirst(
      all,
      life.until(() => life.timeline!.deadlineNanos("tasks", began))
    )
    const inTime = fibers.every((fiber) => fiber.pollUnsafe() !== undefined)
    life.leave("tasks", began, deadline)
    if (!inTime) yield* lastWords(life, parts, all)
    yield* noteJoin(life, join)
    noteStart(life, parts)
  })

/** Stragglers are interrupted, the registry's by the join; all share one grace. */
const lastWords = (life: Life, parts: Parts, all: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const began = life.nowNanos()
    const deadline = life.enter("lastWords")
    if (parts.run !== undefined && parts.run.pollUnsafe() === undefined) {
      life.late = true
      parts.run.interruptUnsafe()
    }
    yield* Effect.raceFirst(
      all,
      life.until(() => life.timeline!.deadlineNanos("lastWords", began))
    )
    if (parts.run !== undefined && parts.run.pollUnsafe() === undefined) {
      life.noteLeft({ type: "run", name: "run", phase: "lastWords" })
    }
    life.leave("lastWords", began, deadline)
  })

const awaitEnd = (fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const stop = fiber.addObserver(() => resume(Effect.void))
    return Effect.sync(stop)
  })

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

const noteStart = (life: Life, parts: Parts): void => {
  if (Option.isSome(parts.started.services)) return
  const exit = parts.started.fiber.pollUnsafe()
  if (exit !== undefined) return noteLateFailure(life, parts.started, exit)
  // A build that fails releases what it had by itself; if that hangs, it is a finalizer that hangs.
  const finalizers = parts.tracker.running()
  if (finalizers.length === 0) life.noteLeft({ type: "start", name: parts.started.step(), phase: "tasks" })
  for (const name of finalizers) life.noteLeft({ type: "finalizer", name, phase: "tasks" })
}

// -----------------------------------------------------------------------------
// Close
// -----------------------------------------------------------------------------

const close = (life: Life, parts: Parts): Effect.Effect<void> =>
  Effect.gen(function* () {
    const began = life.nowNanos()
    const { layerScope, tracker } = parts
    tracker.watch()
    const exit = life.failure === undefined ? Exit.void : Exit.failCause(life.failure.cause)
    const fiber = Effect.runForkWith(life.context)(Scope.close(layerScope, exit))
    const ended = yield* life.awaitUntil(fiber, () => life.timeline!.deadlineNanos("close", began))
    for (const { cause, name } of tracker.died) life.fault(`finalizer of ${name}`, cause)
    if (Option.isNone(ended)) {
      for (const name of tracker.running()) life.noteLeft({ type: "finalizer", name, phase: "close" })
      life.late = true
    } else if (Exit.isFailure(ended.value) && tracker.died.length === 0) {
      life.fault("a finalizer", ended.value.cause)
    }
  })
