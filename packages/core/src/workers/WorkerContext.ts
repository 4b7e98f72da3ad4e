/**
 * Who a program is: a typed service inside every worker, and in the main program.
 *
 * It is made by the container that starts the worker, crosses thread and process boundaries schema-encoded, and is never
 * a global: two workers that are fibers of one thread each see their own.
 *
 * **Invariants**
 *
 * 1. The last frame is the worker's own; `parent` is the frame before it. The main program has no frames.
 * 2. `ordinal` is kept over restarts, `generation` grows with every start: the pair names one life of one worker.
 * 3. `serviceOrdinal` is 0 … count - 1 within the service and is kept over restarts; `ordinal` is unique in the container.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Frame, Ordinal, path, WorkerKind } from "./Frame.ts"
import { label } from "../internal/quote.ts"

/**
 * The facts, as they travel.
 *
 * @category models
 * @since 0.1.0
 */
export const Facts = Schema.Struct({
  kind: WorkerKind,
  ordinal: Ordinal,
  /** How often this ordinal has been started; 0 in the main program, 1 in the first life of a worker. */
  generation: Ordinal,
  /** The service this worker belongs to. */
  name: Schema.String,
  /** What the container finds this worker by, if it was given one. */
  key: Schema.NullOr(Schema.String),
  /** Which of the service's workers this is, from 0. */
  serviceOrdinal: Ordinal,
  /** Outermost first; the last one is this worker. Empty in the main program. */
  frames: Schema.Array(Frame),
  /** Which start in a row without having become ready: 1 for the first, and again for the first after a ready life. */
  attempt: Ordinal,
  /** Milliseconds since 1970. */
  startedAt: Schema.Finite
})

/**
 * @category models
 * @since 0.1.0
 */
export type Facts = typeof Facts.Type

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape extends Facts {
  /** The frame around this worker: the process of a thread in a hybrid, else `undefined`. */
  readonly parent: Frame | undefined
}

/**
 * Who this program is.
 *
 * **Example** (A file of one's own, that a restarted worker finds again)
 *
 * ```ts
 * import { WorkerContext } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const snapshotFile = Effect.map(WorkerContext.WorkerContext, (worker) => `counts.${worker.ordinal}.json`)
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class WorkerContext extends Context.Service<WorkerContext, Shape>()("@selvedge/core/WorkerContext") {}

/**
 * The service made of its facts.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFacts = (facts: Facts): Shape => ({ ...facts, parent: facts.frames[facts.frames.length - 2] })

/**
 * The context of a main program: no frames, generation 0. `Main` provides it to its layer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mainContext = (name: string, startedAt: number): Shape =>
  fromFacts({
    kind: "process",
    ordinal: 0,
    generation: 0,
    name,
    key: null,
    serviceOrdinal: 0,
    frames: [],
    attempt: 1,
    startedAt
  })

/**
 * The context of a main program that no `Main` runs.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMain = (options?: { readonly name?: string | undefined }): Layer.Layer<WorkerContext> =>
  Layer.effect(
    WorkerContext,
    Effect.map(Clock.currentTimeMillis, (startedAt) => mainContext(options?.name ?? "main", startedAt))
  )

/**
 * The frames of the surrounding program, none where no context was provided: what a container puts its own frame behind.
 *
 * @category operations
 * @since 0.1.0
 */
export const currentFrames: Effect.Effect<ReadonlyArray<Frame>> = Effect.map(
  Effect.serviceOption(WorkerContext),
  Option.match({ onNone: () => [], onSome: (context) => context.frames })
)

/**
 * `parser 2 [thread 2] life 5`, for lines for people.
 *
 * @category operations
 * @since 0.1.0
 */
export const describe = (facts: Facts): string =>
  facts.frames.length === 0 ? label(facts.name) : `${describePlace(facts)} life ${facts.generation}`

/**
 * `parser 2 [thread 2]`: the same for all lives of a worker.
 *
 * @category operations
 * @since 0.1.0
 */
export const describePlace = (facts: Facts): string =>
  `${label(facts.name)} ${facts.serviceOrdinal} ${path(facts.frames)}`
