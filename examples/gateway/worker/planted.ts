/**
 * Bad workers, planted to be looked at: one that blocks its loop, one that leaks, one that is never ready, one that flaps.
 *
 * Each is one of two in its service; the other one, with the number 0, is as it should be.
 */
import { ShutdownToken, WorkerContext, WorkerProgram, WorkerStatus } from "@selvedge/core"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

class Flapped extends Data.TaggedError("Flapped") {
  override readonly message = "the first thing it did went wrong"
}

const onlyOne = <E, R>(bad: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    const { serviceOrdinal } = yield* WorkerContext.WorkerContext
    if (serviceOrdinal === 1) return yield* bad
    yield* WorkerStatus.WorkerStatus.use(({ ready }) => ready)
    return yield* ShutdownToken.awaitDraining
  })

/** Waits as no program on a loop may: until somebody else wakes it, which nobody does. */
export const blocks = WorkerProgram.make({
  main: onlyOne(
    Effect.andThen(
      Effect.sleep("200 millis"),
      Effect.sync(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
    )
  )
})

const LEAK_BYTES = 2 ** 22

/** Keeps 40 MiB more every second. */
export const leaks = WorkerProgram.make({
  main: onlyOne(
    Effect.suspend(() => {
      const kept: Array<Uint8Array> = []
      const keep = Effect.sync(() => void kept.push(new Uint8Array(LEAK_BYTES).fill(1)))
      return ShutdownToken.runUntilDraining(Effect.forever(Effect.andThen(keep, Effect.sleep("100 millis"))))
    })
  )
})

/** Never says that it is ready. */
export const neverReady = WorkerProgram.make({ ready: "manual", main: onlyOne(ShutdownToken.awaitDraining) })

/** Is ready, and then is not there. */
export const flaps = WorkerProgram.make({
  main: onlyOne(Effect.andThen(Effect.sleep("50 millis"), Effect.fail(new Flapped())))
})
