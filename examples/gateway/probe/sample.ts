/**
 * The requests of a probe: one at the begin of every period, on a connection of its own.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Http from "../demo/http.ts"
import type { Sample } from "./verdict.ts"

export interface Where {
  readonly url: string
  readonly periodMillis: number
  readonly timeoutMillis: number
}

/** Milliseconds since a moment of the monotonic clock. */
export const sinceMillis = (began: bigint) =>
  Effect.map(Clock.monotonicTimeNanos, (now) => Math.round(Number(now - began) / 1e4) / 100)

const answerOf = (url: string, timeoutMillis: number): Effect.Effect<Sample["answer"]> =>
  Http.ask("GET", `${url}/ready`).pipe(
    Effect.map(({ status }): Sample["answer"] => status),
    Effect.timeoutOrElse({ duration: timeoutMillis, orElse: () => Effect.succeed<Sample["answer"]>("timeout") }),
    Effect.catch(({ found }) => Effect.succeed<Sample["answer"]>(found.includes("ECONNREFUSED") ? "refused" : "broken"))
  )

/** Probes at the begin of every period; one that is late begins as soon as the one before has ended. */
export const take = Effect.fnUntraced(function* (
  where: Where,
  began: bigint,
  samples: Array<Sample>,
  isOver: (atMillis: number) => boolean
) {
  for (let turn = 0; ; turn++) {
    const wait = turn * where.periodMillis - (yield* sinceMillis(began))
    if (wait > 0) yield* Effect.sleep(wait)
    const atMillis = yield* sinceMillis(began)
    if (isOver(atMillis)) return
    samples.push({ atMillis, answer: yield* answerOf(where.url, where.timeoutMillis) })
  }
})
