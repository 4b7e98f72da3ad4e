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
import { label } from "../internal/quote.ts"
import { show } from "../internal/show.ts"

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
 * @category guards
 * @since 0.1.0
 */
export const isRequest = (value: unknown): value is WorkerRequest<string, any, any, any> =>
  typeof value === "object" &&
  value !== null &&
  "tag" in value &&
  typeof value.tag === "string" &&
  "payload" in value &&
  Schema.isSchema(value.payload)

/**
 * Declares a request. Without an `error` schema its handlers cannot fail. Throws a `TypeError` for a tag that is not a string of 1 to
 * 256 characters and for what is no schema: this is a line of a program, not of its input.
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
): WorkerRequest<Tag, P["Type"], S["Type"], E["Type"]> => {
  check(tag, schemas)
  return {
    tag,
    payload: Schema.toCodecJson(schemas.payload) as Wire<P["Type"]>,
    success: Schema.toCodecJson(schemas.success) as Wire<S["Type"]>,
    error: Schema.toCodecJson(schemas.error ?? Schema.Never) as Wire<E["Type"]>
  }
}

const parts: ReadonlyArray<string> = ["payload", "success", "error"]

const check = (tag: unknown, schemas: unknown): void => {
  if (typeof tag !== "string" || tag.length < 1 || tag.length > 256) {
    throw new TypeError(`the tag of a request: wanted a string of 1 to 256 characters, found ${show(tag)}`)
  }
  if (typeof schemas !== "object" || schemas === null) {
    throw new TypeError(
      `the schemas of request ${label(tag)}: wanted an object with ${parts.join(", ")}, found ${show(schemas)}`
    )
  }
  const given = schemas as Readonly<Record<string, unknown>>
  const unknown = Object.keys(given).find((part) => !parts.includes(part))
  if (unknown !== undefined) {
    throw new TypeError(
      `the schemas of request ${label(tag)}: wanted one of ${parts.join(", ")}, found ${show(unknown)}`
    )
  }
  for (const part of parts) {
    const schema = given[part]
    if (Schema.isSchema(schema) || (part === "error" && schema === undefined)) continue
    throw new TypeError(`the ${part} of request ${label(tag)}: wanted a Schema, found ${show(schema)}`)
  }
}

/**
 * Says how a request is answered.
 *
 * @category constructors
 * @since 0.1.0
 */
export const handler = <Tag extends string, Payload, Success, Error, R>(
  request: WorkerRequest<Tag, Payload, Success, Error>,
  run: (payload: Payload) => Effect.Effect<Success, Error, R>
): Handler<R> => {
  if (!isRequest(request)) {
    throw new TypeError(`a handler's request: wanted what WorkerRequest.make gives, found ${show(request)}`)
  }
  if (typeof run !== "function") {
    throw new TypeError(
      `the handler of ${label(request.tag)}: wanted a function that gives an Effect, found ${show(run)}`
    )
  }
  return { request, run }
}
