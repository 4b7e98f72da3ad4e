/**
 * Sends events in batches, at a rate, until there are no more or the gateway stops accepting.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Event from "../Event.ts"
import { toEvent } from "./LogLine.ts"
import type { LogSource } from "./LogSource.ts"
import type { Options } from "./Options.ts"

/** What became of the events. */
export interface Tally {
  sent: number
  acknowledged: number
  rejected: number
  /** Sent, and the connection broke before an answer. */
  unanswered: number
}

export class NoGateway extends Data.TaggedError("NoGateway")<{ readonly url: string; readonly why: string }> {
  override get message(): string {
    return `no gateway at ${this.url}: ${this.why}`
  }
}

/** The gateway takes no more; for a load that is an end like any other. */
class Stopped extends Data.TaggedError("Stopped")<{ readonly why: string }> {}

const Answer = Schema.Struct({ accepted: Schema.Int, rejected: Schema.Int })
const decodeAnswer = Schema.decodeUnknownOption(Schema.fromJsonString(Answer))

/** Counts into `tally`, so that what happened is known even if this is interrupted. */
export const send = Effect.fnUntraced(function* (source: LogSource, options: Options, tally: Tally) {
  const started = yield* Clock.currentTimeMillis
  const lines = options.repeat ? Stream.forever(source.lines) : source.lines
  yield* lines.pipe(
    Stream.take(options.count),
    Stream.map((line) => Event.format(toEvent(line))),
    Stream.grouped(options.batch),
    Stream.runForEach((events) =>
      Effect.andThen(due(started + (tally.sent / options.rate) * 1000), post(events, options.url, tally))
    ),
    Effect.timeoutOption(options.seconds * 1000),
    Effect.catchTag("Stopped", ({ why }) => Effect.logInfo(`the gateway takes no more: ${why}`))
  )
})

const due = (atMillis: number) =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => (atMillis > now ? Effect.sleep(atMillis - now) : Effect.void))

const post = Effect.fnUntraced(function* (events: ReadonlyArray<string>, url: string, tally: Tally) {
  const request = HttpClientRequest.post(new URL("/ingest", url)).pipe(
    HttpClientRequest.bodyText(`${events.join("\n")}\n`, "application/x-ndjson")
  )
  tally.sent += events.length
  tally.unanswered += events.length
  const { status, text } = yield* HttpClient.execute(request).pipe(
    Effect.flatMap((response) => Effect.map(response.text, (text) => ({ status: response.status, text }))),
    Effect.mapError((error) =>
      tally.acknowledged === 0
        ? new NoGateway({ url, why: error.message })
        : new Stopped({ why: "the connection was refused or closed" })
    )
  )
  tally.unanswered -= events.length
  const answer = decodeAnswer(text)
  if (answer._tag === "Some") {
    tally.acknowledged += answer.value.accepted
    tally.rejected += answer.value.rejected
  }
  if (status === 503) return yield* new Stopped({ why: text.trim() })
  if (answer._tag === "None")
    return yield* new NoGateway({ url, why: `POST /ingest answered ${status} ${text.trim()}` })
})
