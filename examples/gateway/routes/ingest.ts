/**
 * `POST /ingest`: NDJSON in, one answer for the whole body out.
 *
 * Every line stands for itself: good ones are counted, bad ones are told with their number and why. The body is read
 * line by line and no faster than the ring takes it.
 *
 * | status | when                                            |
 * | ------ | ----------------------------------------------- |
 * | 200    | at least one line was good, or there were none  |
 * | 400    | all lines were bad                              |
 * | 413    | the body was too large; lines before were kept  |
 * | 503    | the gateway stops, or has no room (`Retry-After`); the answer says what was kept, and from which line on nothing was |
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Event } from "../Event.ts"
import { type Line, Lines } from "../Lines.ts"
import { Settings } from "../Settings.ts"
import { Workers } from "../Workers.ts"
import { asTask } from "./asTask.ts"

/** How many bad lines are told one by one; all are counted. */
const MAX_PROBLEMS = 100

interface Answer {
  accepted: number
  rejected: number
  readonly problems: Array<{ readonly line: number; readonly why: string }>
  /** Why the rest of the body was not looked at. */
  stopped?: { readonly status: 413 | 503; readonly why: string; readonly retryAfter?: number }
}

const ingest = Effect.gen(function* () {
  const { maxBodyBytes, maxLineBytes } = yield* Settings
  const request = yield* HttpServerRequest.HttpServerRequest
  const lines = new Lines(maxLineBytes)
  const answer: Answer = { accepted: 0, rejected: 0, problems: [] }
  let bytes = 0
  yield* request.stream.pipe(
    Stream.takeWhile((chunk) => {
      bytes += chunk.length
      if (bytes > maxBodyBytes)
        answer.stopped ??= { status: 413, why: `wanted at most ${maxBodyBytes} bytes in a body` }
      return answer.stopped === undefined
    }),
    Stream.runForEach((chunk) => takeAll(lines.push(chunk), answer))
  )
  if (answer.stopped === undefined) yield* takeAll(lines.end(), answer)
  const retryAfter = answer.stopped?.retryAfter
  return HttpServerResponse.jsonUnsafe(
    { ...answer, stopped: answer.stopped?.why },
    { status: statusOf(answer), headers: retryAfter === undefined ? {} : { "retry-after": String(retryAfter) } }
  )
})

/** All lines of a chunk: what is no line for a worker is told here, the rest by whoever parsed it. */
const takeAll = Effect.fnUntraced(function* (lines: ReadonlyArray<Line>, answer: Answer) {
  const first = lines[0]
  if (first === undefined || answer.stopped !== undefined) return
  const workers = yield* Workers
  const texts = lines.flatMap((line) => ("text" in line ? [line.text] : []))
  const parsed = texts.length === 0 ? [] : yield* workers.parse(texts)
  const events: Array<Event> = []
  const numbers: Array<number> = []
  const problems: Array<{ readonly line: number; readonly why: string }> = []
  let at = 0
  for (const line of lines) {
    const found = "text" in line ? parsed[at++]! : line
    if ("problem" in found) problems.push({ line: line.number, why: found.problem })
    else {
      events.push(found.event)
      numbers.push(line.number)
    }
  }
  const { refused, taken } = yield* workers.publish(events)
  answer.accepted += taken
  // Nothing is told of lines that have to be sent again.
  const end = refused === undefined ? Infinity : numbers[taken]!
  for (const problem of problems) if (problem.line < end) tellProblem(answer, problem)
  if (refused !== undefined) answer.stopped = yield* whyNot(refused, end)
})

/** What a sender is told whose lines, from this one on, were not taken. */
const whyNot = Effect.fnUntraced(function* (refused: "stopping" | "no room", line: number) {
  if (refused === "stopping") return { status: 503, why: `the gateway stopped before line ${line}` } as const
  const { roomWithin } = yield* Settings
  const obstacle = Option.getOrElse(yield* Workers.use(({ obstacle }) => obstacle), () => "no room for events")
  const retryAfter = Math.ceil(Duration.toSeconds(roomWithin))
  return { status: 503, why: `${obstacle}: nothing was taken from line ${line} on`, retryAfter } as const
})

const tellProblem = (answer: Answer, problem: Answer["problems"][number]): void => {
  answer.rejected++
  if (answer.problems.length < MAX_PROBLEMS) answer.problems.push(problem)
}

const statusOf = ({ accepted, rejected, stopped }: Answer): number =>
  stopped?.status ?? (accepted === 0 && rejected > 0 ? 400 : 200)

export const layer = HttpRouter.add("POST", "/ingest", asTask("ingest")(ingest))
