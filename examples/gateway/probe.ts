/**
 * `npm run probe -w examples -- --url http://127.0.0.1:8080`: a readiness probe as Kubernetes makes it.
 *
 * A new connection each period, `GET /ready`, a timeout, a threshold; what it must not see is listed in `probe/verdict.ts`. With
 * `--pid` and `--term-after` it also does what happens to a container that is taken away: SIGTERM while requests are in
 * flight, then it watches until the process is gone or the grace is over. The period goes on meanwhile.
 *
 * Prints one line of JSON. Ends with 0; with 1 on a violation; with 2 and one line if the arguments make no sense.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { readFileSync } from "node:fs"
import * as Http from "./demo/http.ts"
import * as Options from "./probe/Options.ts"
import { sinceMillis, take } from "./probe/sample.ts"
import { judge, type Sample, type Termination } from "./probe/verdict.ts"

/** How long after the SIGTERM the second half of a request in flight is sent. */
const SECOND_HALF_MILLIS = 500

/** Gone, or a zombie nobody has waited for. */
const isGone = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z")
  } catch {
    return true
  }
}

const untilGone = (pid: number, began: bigint, graceMillis: number) =>
  Effect.gen(function* () {
    while (!isGone(pid)) yield* Effect.sleep("20 millis")
    return yield* sinceMillis(began)
  }).pipe(Effect.timeoutOrElse({ duration: graceMillis, orElse: () => Effect.succeed(undefined) }))

/** SIGTERM with requests in flight, and what became of them and of the process. */
const terminate = Effect.fnUntraced(function* (options: Options.Options, began: bigint, pid: number, after: number) {
  const { grace, inFlight, url } = options
  const line = '{"key":"in flight","value":1}\n'
  yield* Effect.sleep(Math.max(0, after * 1000 - SECOND_HALF_MILLIS))
  const requests = yield* Effect.replicateEffect(Http.begin(`${url}/ingest`, line), inFlight)
  yield* Effect.sleep(SECOND_HALF_MILLIS)
  const atMillis = yield* sinceMillis(began)
  yield* Effect.sync(() => process.kill(pid, "SIGTERM"))
  yield* Effect.sleep(SECOND_HALF_MILLIS)
  const answers = yield* Effect.forEach(requests, ({ finish }) => Effect.option(finish(line)), {
    concurrency: "unbounded"
  })
  const answered = answers.filter(
    (one) => one._tag === "Some" && one.value.status === 200 && /"accepted":2\b/.test(one.value.text)
  ).length
  const left = Math.max(0, grace * 1000 - ((yield* sinceMillis(began)) - atMillis))
  const goneAtMillis = yield* untilGone(pid, began, left)
  return { atMillis, goneAtMillis, inFlight, answered } satisfies Termination
})

const run = Effect.fnUntraced(function* (options: Options.Options) {
  const { pid, seconds, termAfter } = options
  if (pid !== undefined && isGone(pid)) {
    return yield* new Options.BadArguments({ why: `--pid: wanted a running process, found none with the id ${pid}` })
  }
  const began = yield* Clock.monotonicTimeNanos
  const samples: Array<Sample> = []
  const term =
    pid === undefined || termAfter === undefined
      ? undefined
      : yield* Effect.forkScoped(terminate(options, began, pid, termAfter))
  // After a SIGTERM until the process is gone, which the grace bounds; else as long as was asked for.
  const isOver = (atMillis: number): boolean =>
    term === undefined ? atMillis >= seconds * 1000 : term.pollUnsafe() !== undefined
  yield* take(options, began, samples, isOver)
  const termination = term === undefined ? undefined : yield* Fiber.join(term)
  const verdict = judge(samples, termination, options)
  yield* Console.log(JSON.stringify({ script: "gateway-probe", seconds, ...verdict }))
  return verdict.violations.length === 0 ? 0 : 1
}, Effect.scoped)

const main = Effect.flatMap(Options.make(process.argv.slice(2)), (options) =>
  options === "help" ? Effect.as(Console.log(Options.usage.trimEnd()), 0) : run(options)
)

process.exitCode = await Effect.runPromise(
  Effect.catchTag(main, "BadArguments", (error) => Effect.as(Console.error(error.message), 2))
)
