/**
 * What a worker runs: the same object as a module's export for threads and processes, or handed over directly for fibers.
 *
 * A module may export an Effect (it runs, and its return ends the worker), a `Layer` (it is built, and the worker lives until it is asked
 * to stop), or a program made here, which may have both and answers requests.
 *
 * **Example** (A worker that answers requests)
 *
 * ```ts
 * import { WorkerProgram, WorkerRequest } from "@selvedge/core"
 * import { Effect, Schema } from "effect"
 *
 * export const Count = WorkerRequest.make("Count", { payload: Schema.String, success: Schema.Int })
 *
 * export const program = WorkerProgram.make({
 *   handlers: [WorkerRequest.handler(Count, (text) => Effect.succeed(text.split(" ").length))]
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { show } from "../internal/show.ts"
import { type Handler, isRequest } from "../workers/WorkerRequest.ts"
import type * as Main from "./Main.ts"

const TypeId = "~@selvedge/core/WorkerProgram"

/**
 * The services a program finds in its worker, whatever kind of worker it is. Its status, its regions and everything else a
 * program may want are references, which need no mention.
 *
 * @category models
 * @since 0.1.0
 */
export type Provided = Main.Provided

/**
 * @category models
 * @since 0.1.0
 */
export interface WorkerProgram {
  readonly [TypeId]: typeof TypeId
  readonly layer: Layer.Layer<any, unknown, Provided>
  readonly main: Effect.Effect<unknown, unknown, any> | undefined
  readonly handlers: ReadonlyMap<string, Handler<any>>
  readonly ready: "built" | "manual"
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<A> {
  /** Built before the worker is ready; handlers and `main` may use what it gives. */
  readonly layer?: Layer.Layer<A, unknown, Provided> | undefined
  /** Runs beside the handlers; its return ends the worker. */
  readonly main?: Effect.Effect<unknown, unknown, A | Provided | Scope.Scope> | undefined
  /** One per request; a later one of the same name goes before an earlier. */
  readonly handlers?: ReadonlyArray<Handler<A | Provided | Scope.Scope>> | undefined
  /** `built`: ready when the layer is. `manual`: when the program says so (`WorkerStatus.ready`). Default `built`. */
  readonly ready?: "built" | "manual" | undefined
}

/**
 * Makes a program. Throws a `TypeError` for what no type checker has seen: this is a line of a program, not of its input.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A = never>(options: Options<A>): WorkerProgram => {
  check(options)
  return {
    [TypeId]: TypeId,
    layer: (options.layer ?? Layer.empty) as Layer.Layer<A, unknown, Provided>,
    main: options.main,
    handlers: new Map((options.handlers ?? []).map((handler) => [handler.request.tag, handler])),
    ready: options.ready ?? "built"
  }
}

const isHandler = (value: unknown): boolean =>
  Predicate.hasProperty(value, "run") &&
  typeof value.run === "function" &&
  Predicate.hasProperty(value, "request") &&
  isRequest(value.request)

/** What each may be; all of them, seen to by the compiler. */
const fields: Readonly<Record<keyof Options<never>, readonly [wanted: string, is: (value: unknown) => boolean]>> = {
  layer: ["a Layer", Layer.isLayer],
  main: ["an Effect", Effect.isEffect],
  handlers: ["an array of what WorkerRequest.handler gives", (value) => Array.isArray(value) && value.every(isHandler)],
  ready: ['"built" or "manual"', (value) => value === "built" || value === "manual"]
}

const check = (options: unknown): void => {
  const names = Object.keys(fields).join(", ")
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`a worker's program: wanted an object with ${names}, found ${show(options)}`)
  }
  for (const [field, value] of Object.entries(options)) {
    const known = Object.hasOwn(fields, field) ? fields[field as keyof Options<never>] : undefined
    if (known === undefined) throw new TypeError(`a worker's program: wanted one of ${names}, found ${show(field)}`)
    const [wanted, is] = known
    if (value !== undefined && !is(value)) {
      throw new TypeError(`a worker's program, ${field}: wanted ${wanted}, found ${show(value)}`)
    }
  }
}

/**
 * @category guards
 * @since 0.1.0
 */
export const isWorkerProgram = (value: unknown): value is WorkerProgram => Predicate.hasProperty(value, TypeId)

/**
 * What a module exported, as a program: an Effect, a Layer or a program; nothing for anything else.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromExport = (exported: unknown): Option.Option<WorkerProgram> => {
  if (isWorkerProgram(exported)) return Option.some(exported)
  if (Layer.isLayer(exported)) {
    return Option.some(make({ layer: exported as Layer.Layer<never, unknown, Provided> }))
  }
  if (Effect.isEffect(exported)) {
    return Option.some(make({ main: exported as Effect.Effect<unknown, unknown, Provided> }))
  }
  return Option.none()
}

/**
 * What was found in place of a program, for errors.
 *
 * @category operations
 * @since 0.1.0
 */
export const describeExport = (exported: unknown): string =>
  exported === null
    ? "null"
    : typeof exported === "object"
      ? `an object with ${Object.keys(exported).length} keys`
      : typeof exported
