/**
 * A request's way to one worker and back.
 *
 * **Invariants**
 *
 * 1. It is delivered to one life or to none; it never waits for a worker, and never moves to another.
 * 2. Values are encoded and decoded by the request's schemas on both sides; a mistake is told with its path.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { quote } from "../../internal/quote.ts"
import { show } from "../../internal/show.ts"
import { RequestFailed } from "../ContainerError.ts"
import { InvalidMessage } from "../WorkerMessage.ts"
import { type Address, isRequest, type WorkerRequest } from "../WorkerRequest.ts"
import type { Fleet } from "./fleet.ts"
import { invalid } from "./health.ts"
import type { Life, Reply } from "./life.ts"
import type { Place } from "./place.ts"

export const send = <Payload, Success, Error>(
  fleet: Fleet,
  request: WorkerRequest<string, Payload, Success, Error>,
  payload: Payload,
  to: Address
): Effect.Effect<Success, Error | RequestFailed> =>
  Effect.gen(function* () {
    const failed = (reason: RequestFailed["reason"], worker: string, detail: string): RequestFailed =>
      new RequestFailed({ request: request.tag, reason, worker, detail })
    if (!isRequest(request)) {
      return yield* Effect.die(new TypeError(`wanted what WorkerRequest.make gives, found ${show(request)}`))
    }
    const mistake = mistakeIn(to)
    if (mistake !== undefined) return yield* failed("NoWorker", "nobody", mistake)
    const encoded = yield* Effect.mapError(Schema.encodeUnknownEffect(request.payload)(payload), (error) =>
      failed("InvalidPayload", describe(to), flat(error.message))
    )
    const asked = yield* ask(fleet, request.tag, encoded, to)
    if (asked === undefined) {
      const ready = fleet.serving.filter((one) => one.isReady).length
      return yield* failed("NoWorker", describe(to), `${ready} of ${fleet.serving.length} worker(s) are ready`)
    }
    const { life, place, reply, worker } = asked
    if (reply === undefined) return yield* failed("WorkerGone", worker, "it ended before it answered")
    return yield* read(fleet, place, life, request, reply, (reason, detail, at = worker) => failed(reason, at, detail))
  })

interface Asked {
  readonly place: Place
  readonly life: Life
  readonly worker: string
  readonly reply: Reply | undefined
}

/** Chosen and sent to in one turn: between the two nobody can tell the worker to stop. */
const ask = (fleet: Fleet, tag: string, encoded: unknown, to: Address): Effect.Effect<Asked | undefined> =>
  Effect.callback((resume) => {
    const place = fleet.pick((one) => matches(one, to))
    const life = place?.life
    if (place === undefined || life === undefined) return resume(Effect.succeed(undefined))
    const worker = fleet.nameOf(place)
    const cancel = life.askUnsafe(tag, encoded, (reply) => resume(Effect.succeed({ place, life, worker, reply })))
    fleet.setup.aged(fleet, place)
    return Effect.sync(cancel)
  })

const read = <Payload, Success, Error>(
  fleet: Fleet,
  place: Place,
  life: Life,
  request: WorkerRequest<string, Payload, Success, Error>,
  reply: Reply,
  failed: (reason: RequestFailed["reason"], detail: string, worker?: string) => RequestFailed
): Effect.Effect<Success, Error | RequestFailed> => {
  const refused = (error: { readonly message: string }): RequestFailed => {
    const detail = `the answer to ${request.tag}: ${flat(error.message)}`
    invalid(fleet, place, life, new InvalidMessage({ direction: "from worker", detail }))
    return failed("InvalidReply", detail)
  }
  switch (reply._tag) {
    case "Success":
      return Effect.mapError(Schema.decodeUnknownEffect(request.success)(reply.value), refused)
    case "Failure":
      return Effect.flatMap(Effect.mapError(Schema.decodeUnknownEffect(request.error)(reply.error), refused), (error) =>
        Effect.fail(error)
      )
    case "Defect":
      return Effect.fail(failed("HandlerDied", reply.message))
    case "Failed":
      return Effect.fail(failed(reply.reason, reply.detail, reply.worker))
    case "Refused":
      return Effect.fail(failed(refusals[reply.reason], reply.detail))
  }
}

const refusals = {
  "unknown request": "UnknownRequest",
  "invalid payload": "InvalidPayload",
  stopping: "Stopping"
} as const

const matches = (place: Place, to: Address): boolean => {
  if (to === "any") return true
  if ("key" in to) return place.spec.key === to.key
  return (
    place.spec.name === to.service && (to.serviceOrdinal === undefined || place.serviceOrdinal === to.serviceOrdinal)
  )
}

/** What is wrong with an address that no type checker has seen: a misspelt field must not widen it. */
const mistakeIn = (to: unknown): string | undefined => {
  if (to === "any") return undefined
  if (typeof to !== "object" || to === null) return wantedAddress(show(to))
  const fields = Object.keys(to)
  if ("key" in to) {
    return typeof to.key === "string" && fields.length === 1 ? undefined : wantedAddress(describeFields(to))
  }
  if (!("service" in to) || typeof to.service !== "string") return wantedAddress(describeFields(to))
  if (fields.some((field) => field !== "service" && field !== "serviceOrdinal"))
    return wantedAddress(describeFields(to))
  const ordinal = "serviceOrdinal" in to ? to.serviceOrdinal : undefined
  return ordinal === undefined || (Number.isSafeInteger(ordinal) && (ordinal as number) >= 0)
    ? undefined
    : `wanted a serviceOrdinal from 0 on, found ${show(ordinal)}`
}

const wantedAddress = (found: string): string =>
  `wanted "any", a service (and a serviceOrdinal) or a key, found ${found}`

const describeFields = (to: object): string => {
  const shown = Object.entries(to).map(([field, value]) => `${show(field)}: ${show(value)}`)
  return shown.length === 0 ? "nothing of that" : shown.slice(0, 3).join(", ")
}

const describe = (to: Address): string => {
  if (to === "any") return "any worker"
  if ("key" in to) return `the worker with the key ${quote(to.key)}`
  return to.serviceOrdinal === undefined
    ? `any worker of ${quote(to.service)}`
    : `worker ${to.serviceOrdinal} of ${quote(to.service)}`
}

const flat = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ")
