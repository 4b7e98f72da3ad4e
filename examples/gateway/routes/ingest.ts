/**
 * `POST /ingest`: NDJSON in, one answer for the whole body out.
 *
 * Every line stands for itself: good ones are counted, bad ones are told with their number and why. The body is read
 * line by line and no faster than the table takes it.
 *
 * | status | when                                            |
 * | ------ | ----------------------------------------------- |
 * | 200    | at least one line was good, or there were none  |
 * | 400    | all lines were bad                              |
 * | 413    | the body was too large; lines before were kept  |
 * | 503    | the gateway stops; the answer says what was kept |
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Event from "../Event.ts"
import { Intake } from "../Intake.ts"
import { type Line, Lines } from "../Lines.ts"
import { Settings } from "../Settings.ts"
import { asTask } from "./asTask.ts"

/** How many bad lines are told one by one; all are counted. */
const MAX_PROBLEMS = 100

interface Answer {
  accepted: number
  rejected: number
  readonly problems: Array<{ readonly line: number; readonly why: string }>
  /** Why the rest of the body was not looked at. */
  stopped?: { readonly status: 413 | 503; readonly why: string }
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
  return HttpServerResponse.jsonUnsafe({ ...answer, stopped: answer.stopped?.why }, { status: statusOf(answer) })
})

const takeAll = (lines: ReadonlyArray<Line>, answer: Answer) =>
  Effect.forEach(lines, (line) => (answer.stopped === undefined ? take(line, answer) : Effect.void), { discard: true })

const take = Effect.fnUntraced(function* (line: Line, answer: Answer) {
  const event = "text" in line ? Event.parse(line.text) : Result.fail(line.problem)
  if (Result.isFailure(event)) {
    answer.rejected++
    if (answer.problems.length < MAX_PROBLEMS) answer.problems.push({ line: line.number, why: event.failure })
    return
  }
  const intake = yield* Intake
  if (yield* intake.offer(event.success)) answer.accepted++
  else answer.stopped = { status: 503, why: `the gateway stopped before line ${line.number}` }
})

const statusOf = ({ accepted, rejected, stopped }: Answer): number =>
  stopped?.status ?? (accepted === 0 && rejected > 0 ? 400 : 200)

export const layer = HttpRouter.add("POST", "/ingest", asTask("ingest")(ingest))
