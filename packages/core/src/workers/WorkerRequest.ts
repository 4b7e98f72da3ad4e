/**
 * A question to a worker: a name, and the schemas of what goes in and comes out.
 *
 * One value is shared by both sides. The program answers it (`handler`), the supervisor asks it (`Container.request`); what
 * travels is encoded by the schemas, so both sides check what they get and say where it is wrong.
 *
 * **Example** (Both sides of one request)
 *
 * ```ts
 * import { WorkerRequest } from "@selvedge/core"
 * import { Effect, Schema } from "effect"
 *
 * export const Count = WorkerRequest.make("Count", { payload: Schema.String, success: Schema.Int })
 * export const handlers = [WorkerRequest.handler(Count, (text) => Effect.succeed(text.split(" ").length))]
 * ```
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * A schema that needs no services: it is used on both sides, where nothing is known about the other.
 *
 * @category models
 * @since 0.1.0
 */
export type Wire<A> = Schema.Codec<A, any>

/**
 * @category models
 * @since 0.1.0
 */
export interface WorkerRequest<out Tag extends string, in out Payload, in out Success, in out Error> {
  readonly tag: Tag
  readonly payload: Wire<Payload>
  readonly success: Wire<Success>
  readonly error: Wire<Error>
}

/**
 * Who a request is for: any ready worker (in turn), any of one service, or one worker.
 *
 * @category models
 * @since 0.1.0
 */
export type Address =
  | "any"
  | { readonly service: string; readonly serviceOrdinal?: number | undefined }
  | { readonly key: string }

/**
 * How a program answers one request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handler<out R = never> {
  readonly request: WorkerRequest<string, any, any, any>
  readonly run: (payload: any) => Effect.Effect<unknown, unknown, R>
  /**
   * It hands requests on to workers of its own: when it dies of a `RequestFailed`, that is why the request failed, and whoever asked is told
   * so. For platforms.
   */
  readonly passesOn?: boolean | undefined
}

/**
 * Declares a request. Without an `error` schema its handlers cannot fail.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  const Tag extends string,
  P extends Wire<any>,
  S extends Wire<any>,
  E extends Wire<any> = Schema.Never
>(
  tag: Tag,
  schemas: { readonly payload: P; readonly success: S; readonly error?: E }
): WorkerRequest<Tag, P["Type"], S["Type"], E["Type"]> => ({
  tag,
  payload: Schema.toCodecJson(schemas.payload) as Wire<P["Type"]>,
  success: Schema.toCodecJson(schemas.success) as Wire<S["Type"]>,
  error: Schema.toCodecJson(schemas.error ?? Schema.Never) as Wire<E["Type"]>
})

/**
 * Says how a request is answered.
 *
 * @category constructors
 * @since 0.1.0
 */
export const handler = <Tag extends string, Payload, Success, Error, R>(
  request: WorkerRequest<Tag, Payload, Success, Error>,
  run: (payload: Payload) => Effect.Effect<Success, Error, R>
): Handler<R> => ({ request, run })
