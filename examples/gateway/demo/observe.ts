/**
 * The one who checks. It starts the service and the load as processes of their own and knows nothing of their insides:
 * it sees HTTP, files, what they print, and their exit codes.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Scope } from "effect/Scope"
import type { Board } from "./Board.ts"
import * as Child from "./Child.ts"
import * as Http from "./http.ts"
import * as Look from "./look.ts"
import type { Progress } from "./progress.ts"
import type { Step } from "./steps.ts"

const BUDGET_MILLIS = 12_000
const DELAY_MILLIS = 1_500
/** What a process may take beyond its budget. */
const LEAVING_MILLIS = 500
/** Workers that count, each with a file. */
const SHARDS = 2
/** Lines of the log to wait for before the stop. */
const ENOUGH = 500

export interface Stage {
  readonly board: Board
  readonly progress: Progress
  readonly broken: Step | undefined
  /** A folder of our own. */
  readonly folder: string
  /** What the load sends on a machine without a log. */
  readonly anyText: string
}

export const observe = Effect.fnUntraced(function* (stage: Stage): Effect.fn.Return<void, never, Scope> {
  const { board, progress } = stage
  progress.say("starting the service")
  const service = yield* Child.start("./service.ts", [], environment(stage, "first"))
  const ready = yield* board.step("start", comesUp(service))
  if (Option.isNone(ready)) return
  const url = ready.value
  const events = yield* Http.follow(`${url}/stream`)

  const byHand = yield* board.step("ingest", oneBadLine(url))
  const load = yield* Child.start("../load.ts", loadArguments(stage, url), {})
  yield* Effect.forkScoped(narrate(progress, events))
  yield* board.step("load", enoughEvents(events, load))

  yield* board.step("crash", comesBackAsItWas(stage, service, url, events))

  const inFlight = yield* Http.begin(`${url}/ingest`, '{"key":"in flight","value":1}\n{"key":"in fl')
  yield* Effect.sleep("300 millis")
  const before = events.last()?.events ?? 0
  const asked = yield* Child.nowMillis
  yield* service.signal("SIGTERM")
  progress.say("SIGTERM sent")
  const late = yield* board.step("readiness", turnsUnready(url))
  yield* board.step("closed", refusesConnections(url, service))
  const finished = yield* board.step("inflight", answersLate(inFlight, service))
  yield* board.step("stream", saysGoodbye(events, before))
  progress.say("waiting for the service to end")
  const ended = yield* board.step("budget", endsInTime(service, asked))
  if (Option.isNone(ended)) yield* service.signal("SIGKILL")
  const { code, signal } = yield* service.ended

  yield* board.step("report", Look.report(`${stage.folder}/report.json`, "planted"))
  yield* board.step("exit", Look.exitCode({ code, signal }, 124))
  const acknowledged = [byHand, late, finished].reduce((sum, part) => sum + Option.getOrElse(part, () => 0), 0)
  const held = yield* board.step("snapshot", wholeSnapshot(stage, load, acknowledged))
  progress.say("starting the service again")
  yield* board.step("restore", comesBack(stage, Option.getOrUndefined(held)))
})

// -----------------------------------------------------------------------------
// What the processes are given
// -----------------------------------------------------------------------------

const databaseOf = (stage: Stage): string => `${stage.folder}/gateway.sqlite`

const environment = (stage: Stage, start: "first" | "second"): Readonly<Record<string, string>> => ({
  GATEWAY_HOST: "127.0.0.1",
  GATEWAY_PORT: stage.broken === "start" ? "70000" : "0",
  GATEWAY_DB: start === "second" && stage.broken === "restore" ? `${stage.folder}/other.sqlite` : databaseOf(stage),
  GATEWAY_WORKERS: String(SHARDS),
  GATEWAY_PARSERS: "1",
  GATEWAY_SNAPSHOT_EVERY: "1 second",
  GATEWAY_STREAM_EVERY: "100 millis",
  SELVEDGE_SHUTDOWN_BUDGET: `${BUDGET_MILLIS}ms`,
  SELVEDGE_DRAIN_DELAY: start === "first" ? `${DELAY_MILLIS}ms` : "0ms",
  SELVEDGE_REPORT: stage.broken === "report" ? "none" : `${stage.folder}/report.json`,
  SELVEDGE_GUARD: stage.broken === "budget" ? "false" : "true",
  DEMO_PLANT: start === "first" ? "yes" : "no",
  DEMO_BREAK: start === "first" ? (stage.broken ?? "") : ""
})

const loadArguments = (stage: Stage, url: string): ReadonlyArray<string> => [
  `--url=${url}`,
  "--rate=500",
  "--batch=25",
  "--seconds=40",
  "--repeat",
  ...(stage.broken === "load" ? [`${stage.folder}/missing.log`] : ["--fallback", stage.anyText])
]

// -----------------------------------------------------------------------------
// What is checked while it runs
// -----------------------------------------------------------------------------

const seen = <A>(value: A, note: string): { readonly value: A; readonly note: string } => ({ value, note })

const expect = (isSo: boolean, wanted: string, found: unknown): Effect.Effect<void, Child.NotSeen> =>
  isSo
    ? Effect.void
    : Effect.fail(new Child.NotSeen({ wanted, found: typeof found === "string" ? found : JSON.stringify(found) }))

/** Asks again until the answer is yes. */
const until = <E>(isSo: Effect.Effect<boolean, E>): Effect.Effect<void, E> =>
  Effect.asVoid(
    Effect.repeat(
      Effect.tap(isSo, (yes) => (yes ? Effect.void : Effect.sleep("20 millis"))),
      { until: Boolean }
    )
  )

const comesUp = (service: Child.Child) =>
  Effect.gen(function* () {
    const [, url = ""] = yield* service.prints(/listening on (http:\/\/\S+)/)
    yield* until(Effect.map(Http.ask("GET", `${url}/ready`), ({ status }) => status === 200))
    return seen(url, `${url}, GET /ready 200`)
  })

const oneBadLine = (url: string) =>
  Effect.gen(function* () {
    const body = '{"key":"by hand","value":1}\n{"key":"by hand"}\n{"key":"by hand","value":2}\n'
    const { status, text } = yield* Http.ask("POST", `${url}/ingest`, body)
    const [problem] = yield* Look.problems(text)
    yield* expect(status === 200 && problem?.line === 2, "200 and a problem in line 2", `${status} ${text}`)
    return seen(2, `200, 2 kept, line ${problem?.line}: ${problem?.why}`)
  })

const enoughEvents = (events: Http.Events, load: Child.Child) =>
  Effect.gen(function* () {
    const [, source] = yield* load.prints(/sending (.*) to /)
    const arrived = until(Effect.sync(() => (events.last()?.events ?? 0) >= ENOUGH))
    // The load goes on until it is refused; an early end means that it had nothing to send.
    const over = Effect.andThen(
      load.ended,
      Effect.suspend(() => expect(false, "the load to go on", load.lastWord()))
    )
    yield* Effect.raceFirst(arrived, over)
    return seen(undefined, `${events.last()?.events} events under ${events.last()?.keys} keys from ${source}`)
  })

const narrate = (progress: Progress, events: Http.Events) =>
  Effect.gen(function* () {
    while (events.ending() === undefined) {
      const before = events.last()?.events ?? 0
      yield* Effect.sleep("500 millis")
      const { events: now = 0, keys = 0 } = events.last() ?? {}
      if (now > before) progress.say(`${now} events under ${keys} keys, ${(now - before) * 2} a second`)
    }
  })

/** Kills worker 0 and waits for its next life; the load goes on meanwhile. */
const comesBackAsItWas = (stage: Stage, service: Child.Child, url: string, events: Http.Events) =>
  Effect.gen(function* () {
    const ask = Effect.flatMap(Http.ask("GET", `${url}/workers`), ({ text }) => Look.workers(text))
    const before = yield* ask
    const counted = events.last()?.events ?? 0
    yield* service.tell("kill aggregate 0")
    const isBack = ({ generation, name, serviceOrdinal, state }: (typeof before)[number]): boolean =>
      name === "aggregate" && serviceOrdinal === 0 && generation === 2 && state === "Ready"
    yield* until(Effect.map(ask, (rows) => rows.some(isBack)))
    const began = yield* Child.nowMillis
    // Asked for everything that was acknowledged until now: the worker has caught up when it is answered.
    const { events: after } = yield* Look.totals((yield* Http.ask("GET", `${url}/top?n=1`)).text)
    const millis = (yield* Child.nowMillis) - began
    const files = Look.filesOf(databaseOf(stage))
    yield* expect((yield* ask).length === before.length, `${before.length} workers`, (yield* ask).length)
    yield* expect(files.length === SHARDS, `${SHARDS} files`, files.join(", "))
    yield* expect(after >= counted && !events.hasFallen(), "totals that never fall", `${counted}, then ${after}`)
    return seen(undefined, `worker 0: life 2, ${files.length} files, ${counted} events, then ${after} (${millis} ms)`)
  })

// -----------------------------------------------------------------------------
// What is checked while it stops
// -----------------------------------------------------------------------------

const turnsUnready = (url: string) =>
  Effect.gen(function* () {
    const began = yield* Child.nowMillis
    yield* until(Effect.map(Http.ask("GET", `${url}/ready`), ({ status }) => status === 503))
    const millis = (yield* Child.nowMillis) - began
    const { status, text } = yield* Http.ask("POST", `${url}/ingest`, '{"key":"late","value":1}\n')
    yield* expect(status === 200, "a request in the drain delay to be answered 200", `${status} ${text}`)
    return seen(1, `GET /ready 503 after ${millis} ms, POST /ingest still 200`)
  })

const refusesConnections = (url: string, service: Child.Child) =>
  Effect.gen(function* () {
    const began = yield* Child.nowMillis
    // The listener closes when the drain delay is over, long before the process ends.
    yield* Effect.timeoutOrElse(until(isRefused(url)), {
      duration: DELAY_MILLIS + 1_000,
      orElse: () => expect(false, "connections to be refused after the drain delay", "answers")
    })
    yield* expect(yield* isAlive(service), "the process to be still there", "it was gone")
    return seen(undefined, `ECONNREFUSED after ${(yield* Child.nowMillis) - began} ms more`)
  })

/** Connections are refused, not only reset: one that came at the very moment of closing may be. */
const isRefused = (url: string): Effect.Effect<boolean> =>
  Effect.match(Http.ask("GET", `${url}/ready`), {
    onFailure: (error) => error.found.includes("ECONNREFUSED"),
    onSuccess: () => false
  })

const answersLate = (
  request: { readonly finish: (rest: string) => Effect.Effect<Http.Answer, Child.NotSeen> },
  service: Child.Child
) =>
  Effect.gen(function* () {
    const { headers, status, text } = yield* request.finish('ight","value":2}\n')
    yield* expect(status === 200 && /"accepted":2\b/.test(text), "200 and 2 accepted", `${status} ${text}`)
    yield* expect(yield* isAlive(service), "the process to be still there", "it was gone")
    return seen(2, `200 by ${String(headers["x-task"])}, connection: ${String(headers.connection)}`)
  })

const isAlive = (service: Child.Child): Effect.Effect<boolean> =>
  Effect.map(Effect.timeoutOption(service.ended, 0), Option.isNone)

const saysGoodbye = (events: Http.Events, before: number) =>
  Effect.gen(function* () {
    yield* until(Effect.sync(() => events.ending() !== undefined))
    yield* expect(events.ending() === "bye", "the last event to be bye", events.ending())
    yield* expect((events.last()?.events ?? 0) >= before, `at least ${before} events in it`, events.last())
    return seen(undefined, `bye at ${events.last()?.events} events`)
  })

const endsInTime = (service: Child.Child, askedMillis: number) =>
  Effect.gen(function* () {
    const { atMillis } = yield* service.ended
    const took = atMillis - askedMillis
    yield* expect(took <= BUDGET_MILLIS + LEAVING_MILLIS, `at most ${BUDGET_MILLIS + LEAVING_MILLIS} ms`, `${took} ms`)
    return seen(undefined, `${took} ms of ${BUDGET_MILLIS} ms`)
  })

// -----------------------------------------------------------------------------
// What is checked afterwards
// -----------------------------------------------------------------------------

const wholeSnapshot = (stage: Stage, load: Child.Child, byHand: number) =>
  Effect.gen(function* () {
    const sent = yield* Look.tally(yield* load.prints(/^\{"sent".*\}$/m))
    const acknowledged = byHand + sent.acknowledged
    const held = yield* Look.snapshots(databaseOf(stage))
    yield* expect(
      held.events >= acknowledged && held.events <= acknowledged + sent.unanswered,
      `${acknowledged} events${sent.unanswered === 0 ? "" : ` and at most ${sent.unanswered} unanswered ones`}`,
      `${held.events}`
    )
    return seen(
      held,
      `${held.events} events under ${held.keys} keys in ${held.files} files, ${acknowledged} acknowledged`
    )
  })

const comesBack = (stage: Stage, held: Look.Held | undefined) =>
  Effect.scoped(
    Effect.gen(function* () {
      const service = yield* Child.start("./service.ts", [], environment(stage, "second"))
      const { value: url } = yield* comesUp(service)
      const found = yield* Look.totals((yield* Http.ask("GET", `${url}/top?n=1`)).text)
      yield* expect(
        held !== undefined && found.events === held.events && found.keys === held.keys,
        held === undefined ? "a whole snapshot to compare with" : `${held.events} events under ${held.keys} keys`,
        `${found.events} under ${found.keys}`
      )
      yield* service.signal("SIGTERM")
      yield* Look.exitCode(yield* service.ended, 0)
      return seen(undefined, `${found.events} events under ${found.keys} keys, exit code 0`)
    })
  )
