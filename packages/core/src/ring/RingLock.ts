/**
 * Waiting for the lock of a ring's membership, as fibers do: whoever holds it is never waited for by blocking.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/** The lock is held for an instant, unless its holder died: then until it is recovered, and nobody is to spin so long. */
const YIELDS = 16

/** Runs what answers `Busy` while somebody else joins or recovers. `restore` makes the pauses interruptible. @internal */
export const whenUnlocked = <B>(
  attempt: () => B | "Busy",
  restore: (pause: Effect.Effect<void>) => Effect.Effect<void> = (pause) => pause,
  turn = 0
): Effect.Effect<Exclude<B, "Busy">> =>
  Effect.suspend(() => {
    const answer = attempt()
    if (answer !== "Busy") return Effect.succeed(answer as Exclude<B, "Busy">)
    const pause = restore(turn < YIELDS ? Effect.yieldNow : Effect.sleep(1))
    return Effect.flatMap(pause, () => whenUnlocked(attempt, restore, turn + 1))
  })
