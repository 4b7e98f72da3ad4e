/**
 * A container's statistics as counters that outlive their readers.
 *
 * Looks at the container at an interval and adds what has come since the last look to `Counters`, under the container's name.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ids } from "../diagnostics/CounterId.ts"
import * as Counters from "../diagnostics/Counters.ts"
import type { Container } from "./Container.ts"

/**
 * Publishes a container's statistics for as long as the scope lasts, and once more at its end: workers started, started again and failed, counted
 * from the container's beginning, and those that run.
 *
 * **Errors**
 *
 * - `LabelTooLong`, `CountersFull`: as `Counters.register`.
 *
 * @category operations
 * @since 0.1.0
 */
export const publish = (
  container: Container,
  { interval = "1 second" }: { readonly interval?: Duration.Input | undefined } = {}
): Effect.Effect<void, Counters.RegisterError, Counters.Counters | Scope.Scope> =>
  Effect.gen(function* () {
    const spawned = yield* Counters.register(ids.workersSpawned, container.name)
    const restarted = yield* Counters.register(ids.workersRestarted, container.name)
    const failed = yield* Counters.register(ids.workersFailed, container.name)
    const running = yield* Counters.register(ids.workersRunning, container.name)
    let last = { spawns: 0, restarts: 0, failures: 0 }
    const look = Effect.gen(function* () {
      const now = yield* container.statistics
      spawned.addUnsafe(now.spawns - last.spawns)
      restarted.addUnsafe(now.restarts - last.restarts)
      failed.addUnsafe(now.failures - last.failures)
      running.setUnsafe(yield* container.running)
      last = now
    })
    yield* look
    yield* Effect.addFinalizer(() => look)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(interval), look)))
  })
