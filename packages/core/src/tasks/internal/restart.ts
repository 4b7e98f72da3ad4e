/**
 * A task that is started again when it fails.
 *
 * **Invariants**
 *
 * 1. Interruption is no failure: it ends the task.
 * 2. Nothing is started again once the task's token drains; a task that waits for its next start then ends, interrupted.
 * 3. What the task fails with at last is the cause of its last run.
 * 4. The children of a run that failed are interrupted, and awaited for their last words, before the next run.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { ShutdownToken } from "../../shutdown/ShutdownToken.ts"
import * as RestartIntensity from "../RestartIntensity.ts"

export interface Policy {
  readonly schedule: Schedule.Schedule<unknown, unknown>
  readonly intensity: RestartIntensity.Intensity | undefined
}

export const restarting = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  policy: Policy,
  onRestart: (cause: Cause.Cause<E>, delayMillis: number) => Effect.Effect<void>
): Effect.Effect<A, E, R | ShutdownToken> =>
  Effect.gen(function* () {
    const token = yield* ShutdownToken
    const step = yield* Schedule.toStep(policy.schedule)
    let window: RestartIntensity.Window = []
    while (true) {
      // Only a failure of this run's own is seen here: a fiber interrupted from outside never comes back to this line.
      const exit = yield* Effect.exit(effect)
      if (Exit.isSuccess(exit)) return exit.value
      const { cause } = exit
      if (Cause.hasInterruptsOnly(cause) || token.phaseUnsafe()._tag !== "Running")
        return yield* Effect.failCause(cause)
      const now = yield* Clock.monotonicTimeNanos
      if (policy.intensity !== undefined) {
        const next = RestartIntensity.add(window, Number(now) / 1e6, policy.intensity)
        if (next === undefined) return yield* Effect.failCause(cause)
        window = next
      }
      const wall = yield* Clock.currentTimeMillis
      const stepped = yield* Effect.exit(step(wall, Cause.squash(cause)))
      if (Exit.isFailure(stepped)) return yield* Effect.failCause(cause)
      const [, delay] = stepped.value
      yield* onRestart(cause, Duration.toMillis(delay))
      const draining = yield* Effect.raceFirst(
        Effect.as(Effect.sleep(delay), false),
        Effect.as(token.awaitDraining, true)
      )
      if (draining) return yield* Effect.interrupt
    }
  })
