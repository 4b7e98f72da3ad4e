/**
 * `npm run operate -w examples`: operates the workers of the real gateway under load, and adds everything up.
 *
 * ```text
 *   load, a reader of the totals, a probe ─────────────────────────────────────────────────────────▶
 *   restarts (SIGHUP and route) ▶ keyed reloads ▶ recycling every 5 s ▶ parsers 1, 8, 2 ▶ SIGTERM ▶ add up
 * ```
 *
 * The gateway is a process of its own, seen through HTTP, signals, files and what the kernel counts.
 *
 * **Violations**
 *
 * 1. A request failed, or a total that was told was taken back.
 * 2. An acknowledged event is not counted exactly once.
 * 3. An operation did not do what it is for: replace all, keep all, reach the count; or left somebody behind.
 * 4. The process has other threads, descriptors or files than it began with.
 * 5. The probe saw the gateway not ready before the SIGTERM, or ready a period after it.
 * 6. A request in flight at the SIGTERM was not answered in full, or the process did not end with 0 within its grace.
 *
 * Prints one line of JSON; ends with 1 on a violation, with 2 and one line if the arguments make no sense.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { readdirSync } from "node:fs"
import * as Http from "./demo/http.ts"
import * as Look from "./demo/look.ts"
import * as Operator from "./demo/operator.ts"
import * as UnderLoad from "./demo/underLoad.ts"
import { sinceMillis, take } from "./probe/sample.ts"
import { judge, type Sample } from "./probe/verdict.ts"

const SHARDS = 2
const PARSERS = 2
const CLIENTS = 2
const PERIOD_MILLIS = 1000
const RECYCLE_SECONDS = 5
const GRACE_MILLIS = 120_000
/** For an answer: a probe that is late on a busy machine is no failure of the gateway. */
const TIMEOUT_MILLIS = 60_000
const DRAIN_DELAY_MILLIS = 2_000

const declared = {
  /** Blue-green restarts, by SIGHUP and by the route in turn. */
  restarts: { default: 10, min: 0 },
  reloads: { default: 10, min: 0 },
  /** Of recycling. */
  seconds: { default: 60, min: 0 },
  seed: { default: 1, min: 0 }
} as const

type Options = { readonly [K in keyof typeof declared]: number }

/** What is done to the workers, one after the other; gives what was not as it should be. */
const operations = Effect.fnUntraced(function* (operator: Operator.Operator, options: Options) {
  const wrong: Array<string> = []
  for (let turn = 0; turn < options.restarts; turn++) {
    wrong.push(...(yield* turn % 2 === 0 ? operator.hangUp : operator.restart))
  }
  for (let turn = 0; turn < options.reloads; turn++) {
    // There and back: one parser more, one fewer; all others are kept.
    wrong.push(...(yield* operator.reload(turn % 2 === 0 ? PARSERS + 1 : PARSERS)))
  }
  yield* operator.reload(PARSERS)
  const recycled = options.seconds === 0 ? 0 : yield* operator.recycle(RECYCLE_SECONDS, options.seconds)
  if (recycled < Math.floor(options.seconds / RECYCLE_SECONDS)) {
    wrong.push(`${recycled} worker(s) recycled in ${options.seconds} s`)
  }
  for (const count of [1, 8, PARSERS]) wrong.push(...(yield* operator.scale(count)))
  wrong.push(...(yield* operator.settled))
  return { recycled, wrong }
})

/** SIGTERM with requests in flight and a load that goes on in the drain delay. */
const terminate = Effect.fnUntraced(function* (
  gateway: UnderLoad.Started,
  began: bigint,
  tally: UnderLoad.Tally,
  endLoad: Effect.Effect<void>
) {
  const { service, url } = gateway
  const line = '{"key":"in flight","value":1}\n'
  const inFlight = yield* Effect.replicateEffect(Http.begin(`${url}/ingest`, line), 2)
  yield* Effect.sleep("300 millis")
  const atMillis = yield* sinceMillis(began)
  yield* service.signal("SIGTERM")
  yield* Effect.sleep(DRAIN_DELAY_MILLIS / 2)
  yield* endLoad
  const answers = yield* Effect.forEach(inFlight, ({ finish }) => Effect.option(finish(line)))
  const answered = answers.filter((one) => one._tag === "Some" && /"accepted":2\b/.test(one.value.text)).length
  tally.acknowledged += answered * 2
  const ended = yield* Effect.timeoutOption(service.ended, GRACE_MILLIS)
  const isGone = ended._tag === "Some"
  const code = isGone ? (ended.value.code ?? ended.value.signal) : "none: still there"
  const goneAtMillis = isGone ? yield* sinceMillis(began) : undefined
  return { atMillis, goneAtMillis, inFlight: inFlight.length, answered, code }
}, Effect.scoped)

const run = Effect.fnUntraced(function* (options: Options) {
  const folder = yield* UnderLoad.folder("operate")
  const token = yield* Operator.token
  const gateway = yield* UnderLoad.start("../main.ts", {
    GATEWAY_DB: `${folder}/gateway.sqlite`,
    GATEWAY_WORKERS: String(SHARDS),
    GATEWAY_PARSERS: String(PARSERS),
    GATEWAY_SNAPSHOT_EVERY: "100 millis",
    // Less than a lifetime of those that are recycled, if there are any; more than a loaded machine takes to turn a loop.
    GATEWAY_HEALTH_TIMEOUT: options.seconds === 0 ? "2 minutes" : "4 seconds",
    GATEWAY_OPERATOR_TOKEN: token,
    SELVEDGE_DRAIN_DELAY: `${DRAIN_DELAY_MILLIS}ms`,
    SELVEDGE_SHUTDOWN_BUDGET: `${GRACE_MILLIS}ms`
  })
  const { pid, url } = gateway
  const tally = UnderLoad.tally()
  let over = false
  const target = { url: () => url, mayBreak: false, isOver: () => over }
  const loads = [
    ...Array.from({ length: CLIENTS }, () => UnderLoad.client(target, tally)),
    UnderLoad.reader(target, tally)
  ]
  const clients = yield* Effect.forEach(loads, (load) => Effect.forkScoped(load))
  const samples: Array<Sample> = []
  const began = yield* Clock.monotonicTimeNanos
  let gone = false
  const where = { url, periodMillis: PERIOD_MILLIS, timeoutMillis: TIMEOUT_MILLIS }
  const probe = yield* Effect.forkScoped(take(where, began, samples, () => gone))
  yield* Effect.sleep("1 second")
  yield* UnderLoad.quiet(pid)
  const before = UnderLoad.holds(pid)
  const threads = UnderLoad.threadNames(pid)
  const operated = yield* operations(Operator.make(gateway, token, SHARDS + PARSERS), options)
  yield* Effect.sleep("1 second")
  yield* UnderLoad.quiet(pid)
  const after = UnderLoad.holds(pid)
  const more = UnderLoad.more(threads, UnderLoad.threadNames(pid))
  const endLoad = Effect.suspend(() => {
    over = true
    return Effect.asVoid(Fiber.joinAll(clients))
  })
  const { code, ...term } = yield* terminate(gateway, began, tally, endLoad)
  gone = true
  yield* Fiber.join(probe)
  const verdict = judge(samples, term, { threshold: 1, needs503: true })
  const held = yield* Look.snapshots(`${folder}/gateway.sqlite`)
  const left = readdirSync(folder)
  const violations = [
    ...UnderLoad.addUp(tally, held, SHARDS),
    ...operated.wrong,
    ...UnderLoad.grown(before, after),
    ...more.map((name) => `a thread named ${JSON.stringify(name)} more than before`),
    ...verdict.violations,
    left.length !== SHARDS && `files ${left.join()} are left`,
    code !== 0 && `exit code ${code}: ${gateway.service.lastWord()}`
  ].filter((one) => one !== false)
  const { first: _, ...counted } = tally
  const { answers, goneAfterMillis, probes, unready } = verdict
  return {
    ...options,
    ...counted,
    held: held.events,
    recycled: operated.recycled,
    before,
    after,
    probes,
    answers,
    unready,
    goneAfterMillis,
    violations
  }
}, Effect.scoped)

UnderLoad.run(
  "operate",
  Effect.gen(function* () {
    const options = yield* UnderLoad.numbers(declared, process.argv.slice(2))
    const result = yield* Random.withSeed(run(options), String(options.seed))
    yield* Console.log(JSON.stringify({ script: "gateway-operate", ...result }))
    return result.violations.length === 0 ? 0 : 1
  })
)
