/**
 * One telemetry event, and the one line of NDJSON it travels as: `{"key":"status installed","value":74}`.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

export const Event = Schema.Struct({
  /** What is counted. */
  key: Schema.String.check(Schema.isBetweenLength(1, 200)),
  /** What is added up. */
  value: Schema.Finite
})

export type Event = typeof Event.Type

const decodeLine = Schema.decodeUnknownResult(Schema.fromJsonString(Event))

/** The event of a line, or why it is none, in one line. */
export const parse = (line: string): Result.Result<Event, string> =>
  Result.mapError(decodeLine(line), (error) => error.message.replaceAll(/\s*\n\s*/g, " "))

/** An event as a line, without its line break. */
export const format = Schema.encodeSync(Schema.fromJsonString(Event))
