/**
 * The programs that workers of the contract suite run: one module, so that fibers, threads and processes run the very same.
 *
 * @since 0.1.0
 */
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as WorkerContext from "@selvedge/core/workers/WorkerContext"
import * as WorkerRegions from "@selvedge/core/workers/WorkerRegions"
import { WorkerStatus } from "@selvedge/core/workers/WorkerStatus"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Ask from "./requests.ts"

/** A failure somebody foresaw. */
class Planned extends Schema.TaggedError<Planned>()("Planned", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** Lives until it is told to stop. */
export const patient = ShutdownToken.awaitDraining

/** A layer, and nothing to run. */
export const layered = Layer.effectDiscard(Effect.void)

/** Has nothing to do. */
export const returning = Effect.void

/** Fails before it is ready. */
export const broken = Layer.effectDiscard(Effect.fail(new Planned({ detail: "cannot be built" })))

/** Fails as soon as it runs. */
export const failing = Effect.fail(new Planned({ detail: "as planned" }))

/** A mistake in a program. */
export const dying = Effect.die(new TypeError("a mistake"))

/** Never becomes ready, and talks all the time. */
export const chatty = WorkerProgram.make({
  ready: "manual",
  main: WorkerStatus.pipe(
    Effect.flatMap((status) => Effect.forever(Effect.andThen(status.text("still starting"), Effect.sleep(20)))),
    ShutdownToken.runUntilDraining
  )
})

/** Says itself when it is ready, and lives on. */
export const manual = WorkerProgram.make({
  ready: "manual",
  main: Effect.gen(function* () {
    const status = yield* WorkerStatus
    yield* status.text("starting")
    yield* status.ready
    yield* ShutdownToken.awaitDraining
  })
})

/** Does not hear that it is told to stop, nor that it is interrupted. */
export const stubborn = Effect.uninterruptible(Effect.never)

/** Blocks its thread a moment after it became ready; only for workers that have one of their own. */
export const busy = Effect.andThen(
  Effect.sleep(50),
  Effect.sync(() => {
    for (;;);
  })
)

/** No program at all. */
export const number = 42

/** What handlers do to the program they belong to. */
class Fate extends Context.Service<Fate, Deferred.Deferred<never, Planned>>()("contracts/Fate") {}

/** Answers every request of `requests.ts`. */
export const asking = WorkerProgram.make({
  layer: Layer.effect(Fate, Deferred.make<never, Planned>()),
  main: Effect.flatMap(Fate, (fate) => Effect.raceFirst(Deferred.await(fate), ShutdownToken.awaitDraining)),
  handlers: [
    Ask.handlers.whoAmI(() =>
      Effect.map(WorkerContext.WorkerContext, ({ parent, ...facts }) => ({ facts, parent: parent ?? null }))
    ),
    Ask.handlers.echo(Effect.succeed),
    Ask.handlers.refuse((text) => Effect.fail(new Ask.Refused({ text }))),
    Ask.handlers.explode(() => Effect.die(new TypeError("in a handler"))),
    Ask.handlers.hang(() => Effect.never),
    Ask.handlers.crash(() =>
      Effect.flatMap(Fate, (fate) => Effect.asVoid(Deferred.fail(fate, new Planned({ detail: "on demand" }))))
    ),
    Ask.handlers.leave(() => Effect.sync(() => process.exit(7))),
    Ask.handlers.add((region) =>
      Effect.map(WorkerRegions.get(region), (memory) => Atomics.add(new Int32Array(memory), 0, 1) + 1).pipe(
        Effect.orDie
      )
    )
  ]
})
