/**
 * What a container needs from a platform: start one worker, carry messages, end it.
 *
 * A backend decides nothing. It gives no ordinals, restarts nothing, waits for no grace and reads no message: all of that is
 * the container's, so that fibers, threads and processes behave alike (one contract suite holds them to it).
 *
 * **The life of a link**
 *
 * ```text
 *   start ──▶ open ──▶ exited
 *     └ fails: nothing runs, the listener is never called
 * ```
 *
 * **Invariants** (a backend keeps them; the contract suite breaks them)
 *
 * 1. `exited` is called exactly once, after the last `message`; from then on nothing of that worker runs (a fiber that
 *    cannot be interrupted is the one exception, and is counted).
 * 2. `send` answers `false` once the worker is gone; what was not delivered is dropped, and never reaches another worker.
 * 3. `kill` ends the worker in bounded time whatever it does, and `exited` follows; on a worker that is gone it does nothing.
 * 4. Closing the scope that `start` ran in kills what is left and waits until it is gone.
 * 5. A reason for the end that is known is kept: `Ended` of the worker, an uncaught error, a signal, a code, no memory.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StartFailed } from "./ContainerError.ts"
import type { WorkerKind } from "./Frame.ts"
import type * as Pulse from "./Pulse.ts"
import type { Facts } from "./WorkerContext.ts"
import type { WorkerExit } from "./WorkerExit.ts"
import type { Regions } from "./WorkerRegions.ts"

/**
 * Where a worker's program is: an export of a module that the worker loads itself, or, for fibers only, the value.
 *
 * @category models
 * @since 0.1.0
 */
export type ProgramRef =
  | { readonly _tag: "Module"; readonly url: string; readonly exportName: string }
  | { readonly _tag: "Direct"; readonly program: unknown }

/**
 * A program in a module: `new URL("./parser.ts", import.meta.url)`. The export is called `program` unless said otherwise.
 *
 * @category constructors
 * @since 0.1.0
 */
export const module = (url: URL | string, exportName = "program"): ProgramRef => ({
  _tag: "Module",
  url: String(url),
  exportName
})

/**
 * A program as a value: an Effect, a Layer or a `WorkerProgram`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const direct = (program: unknown): ProgramRef => ({ _tag: "Direct", program })

/**
 * What is the same for all lives of a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Blueprint {
  readonly program: ProgramRef
  readonly regions: Regions
  /** For a backend that supervises workers of its own inside one: what they are to be judged by. */
  readonly healthTimeoutMillis?: number | undefined
  readonly progressTimeoutMillis?: number | undefined
}

/**
 * One life to start.
 *
 * @category models
 * @since 0.1.0
 */
export interface StartRequest extends Blueprint {
  readonly context: Facts
  /** It is to show that it lives. A backend that can gives it a pulse; without one it says `Healthy`. */
  readonly isJudged: boolean
}

/**
 * How a backend tells what it hears. Plain calls: they never throw and never block.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listener {
  /** One message as it came over the wire: an encoded `WorkerMessage.FromWorker`, or whatever the worker sent instead. */
  readonly message: (wire: unknown) => void
  /** The worker is gone. Where `Ended` was seen the container knows better and keeps that. */
  readonly exited: (exit: WorkerExit) => void
}

/**
 * One running worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Link {
  /** Delivers an encoded `WorkerMessage.ToWorker`; `false` if the worker is gone. */
  readonly send: (wire: unknown) => boolean
  /** Ends it now: `terminate`, SIGKILL. Returns at once, may be called again. */
  readonly kill: () => void
  /** For dumps and lines for people: `pid 4711`, `thread 3`. */
  readonly place: string
  /** Where this life shows that it lives. The line is nobody else's before `exited`. */
  readonly pulse?: Pulse.Line | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** For lines for people: `fiber`, `threaded`, `forked`, `hybrid`. */
  readonly name: string
  /** The kind of the frame that its workers get. */
  readonly kind: WorkerKind
  /**
   * Everything about a blueprint that can be refused before any worker starts: a module that is not there, one without the
   * export, an export that is no program, memory that cannot be handed over.
   */
  readonly check: (blueprint: Blueprint) => Effect.Effect<void, StartFailed>
  /** Starts one life: the worker exists, has been sent `Start`, and is on its way to ready. */
  readonly start: (request: StartRequest, listener: Listener) => Effect.Effect<Link, StartFailed, Scope.Scope>
}

/**
 * The backend of the containers made here.
 *
 * @category services
 * @since 0.1.0
 */
export class Backend extends Context.Service<Backend, Shape>()("@selvedge/core/Backend") {}
