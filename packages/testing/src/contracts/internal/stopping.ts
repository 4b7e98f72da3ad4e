/**
 * Workers stop: told first, killed after the grace, never waited for longer.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Container from "@selvedge/core/workers/Container"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Case } from "./backendCase.ts"
import * as Ask from "../requests.ts"
import { claim, failure, holds, type Program, program, ready, within } from "./claims.ts"

const stopped: WorkerExit = { _tag: "Stopped", exitCode: 0, leftBehind: [] }

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* Clock.monotonicTimeNanos
    const value = yield* effect
    return { value, millis: Number((yield* Clock.monotonicTimeNanos) - before) / 1e6 }
  })

/** Stops one program and gives how. */
const stopOf = (name: Program, grace: number) =>
  Effect.gen(function* () {
    const exits: Array<WorkerExit> = []
    const { container } = yield* ready(name, {
      policy: { exited: ({ exit }) => Effect.sync(() => void exits.push(exit)) }
    })
    const leftBehind = yield* within("the stop ends", container.stop(grace))
    return { container, exits, leftBehind }
  })

export const cases: ReadonlyArray<Case> = [
  {
    // With a grace that is longer than a stop is waited for here.
    title: "stops workers that heed their token, long before the grace is over [W10]",
    run: Effect.gen(function* () {
      for (const name of ["patient", "layered", "asking"] as const) {
        const { container, exits, leftBehind } = yield* stopOf(name, 600_000)
        yield* claim(`${name}: left behind`, leftBehind, [])
        yield* claim(`${name}: exits`, exits, [stopped])
        yield* claim(`${name}: size`, yield* container.size, 0)
      }
    })
  },
  {
    title: "ends a worker that hears nothing, by the grace and a second [W10]",
    run: Effect.gen(function* () {
      const { container, exits } = yield* stopOf("stubborn", 500)
      yield* within("it ends", container.awaitEnded)
      yield* claim("how many ended", exits.length, 1)
    })
  },
  {
    title: "kills a worker that blocks its thread [W10]",
    needs: "isolation",
    run: Effect.gen(function* () {
      const { container, exits } = yield* stopOf("busy", 500)
      // A busy machine may show its end later than a stop waits for that.
      yield* within("it ends", container.awaitEnded)
      yield* claim("exits", exits, [{ _tag: "Killed", reason: "grace over" }])
    })
  },
  {
    title: "waits for what a worker still has in hand, within the budget it was given [W10]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("asking")
      const hanging = yield* Effect.forkChild(Effect.flip(container.request(Ask.Hang, null)))
      yield* container.request(Ask.Echo, "the other one is on its way")
      const { millis } = yield* timed(within("the stop ends", container.stop(1500)))
      yield* holds("it was waited for", millis > 300, millis)
      void hanging
    })
  },
  {
    title: "shares the end of the first stop with who asks a second time [W10]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("patient", { count: 2 })
      const both = Effect.all([container.stop(60_000), container.stop(60_000)], { concurrency: "unbounded" })
      yield* claim("left behind", yield* within("both end", both), [[], []])
      yield* claim("a third time", yield* container.stop(), [])
      yield* claim("stopping", yield* container.stopping, true)
    })
  },
  {
    title: "lets a policy stop the container it is called by [W8] [W10]",
    run: Effect.gen(function* () {
      let stop: Effect.Effect<unknown> = Effect.void
      const { container } = yield* ready("asking", {
        count: 2,
        policy: { exited: () => Effect.suspend(() => stop) }
      })
      stop = container.stop(60_000)
      yield* Effect.ignore(container.request(Ask.Crash, null))
      yield* within("it ends", container.awaitEnded)
      const { restarts } = yield* container.statistics
      yield* claim("nobody was started again", [restarts, yield* container.size], [0, 0])
    })
  },
  {
    title: "tells everybody on an interrupt, and starts nobody again [W4]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("patient", { count: 2 })
      yield* container.interrupt
      yield* within("they end", container.awaitEnded)
      yield* claim("restarts", (yield* container.statistics).restarts, 0)
    })
  },
  {
    title: "leaves no worker when its scope closes [W4]",
    run: Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { container } = yield* Scope.provide(ready("patient", { count: 2 }), scope)
      yield* within("the scope closes", Scope.close(scope, Exit.void))
      yield* claim("running", yield* container.running, 0)
    })
  },
  {
    title: "starts nothing any more once it is stopping [W6]",
    run: Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.stop()
      const spec = { name: "late", program: program("patient") }
      const error = yield* failure("it is refused", container.spawn(spec))
      yield* claim("error", [error._tag, (yield* container.statistics).spawns], ["ContainerStopping", 0])
    })
  }
]
