/**
 * `npm run kill -w examples`: kills a ready worker of the gateway again and again, under load, and adds everything up.
 *
 * The next kill comes 200 ms after the last one's replacement is ready, the last one just before SIGTERM. At the end every acknowledged event must be counted exactly
 * once, no request may have failed, and the process must have the threads, files and descriptors it began with. Then the same without
 * patience: with the default intensity the gateway must give up with `RestartIntensityExceeded`.
 *
 * Options: `--kills N` (100), `--seed N` (1), `--seconds N` (300: then it stops killing). Prints one line of JSON; ends with 1 on a violation.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { parseArgs } from "node:util"
import * as Child from "./demo/Child.ts"
import * as Http from "./demo/http.ts"
import * as Look from "./demo/look.ts"

const SHARDS = 2
const PARSERS = 2
const WORKERS = SHARDS + PARSERS
const CLIENTS = 2
const EVENTS = 20
const PAUSE = "200 millis"

class Violated extends Data.TaggedError("Violated")<{ readonly message: string }> {}

const options = Effect.try({
  try: () => {
    const { values } = parseArgs({
      options: {
        kills: { type: "string", default: "100" },
        seed: { type: "string", default: "1" },
        seconds: { type: "string", default: "300" }
      }
    })
    const number = (name: keyof typeof values): number => {
      const found = Number(values[name])
      if (Number.isSafeInteger(found) && found >= 1) return found
      throw new Error(`--${name}: wanted a whole number of at least 1, found ${JSON.stringify(values[name])}`)
    }
    return { kills: number("kills"), seed: number("seed"), seconds: number("seconds") }
  },
  catch: (error) => new Violated({ message: error instanceof Error ? error.message : String(error) })
})

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(`${tmpdir()}/selvedge-kill-`)),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const start = Effect.fnUntraced(function* (database: string, env: Readonly<Record<string, string>>) {
  const service = yield* Child.start("./service.ts", [], {
    GATEWAY_PORT: "0",
    GATEWAY_DB: database,
    GATEWAY_WORKERS: String(SHARDS),
    GATEWAY_PARSERS: String(PARSERS),
    GATEWAY_SNAPSHOT_EVERY: "100 millis",
    DEMO_PLANT: "no",
    DEMO_BREAK: "",
    ...env
  })
  const [, url = ""] = yield* service.prints(/listening on (http:\/\/\S+)/)
  return { service, url, pid: service.pid }
})

/** What a process holds, as the kernel counts it. */
const holds = (pid: number) => ({
  threads: readdirSync(`/proc/${pid}/task`).length,
  descriptors: readdirSync(`/proc/${pid}/fd`).length
})

interface Tally {
  requests: number
  failed: number
  acknowledged: number
}

/** One client: batch after batch, each under a key of its own choice, until it is interrupted between two. */
const client = (url: string, tally: Tally, isOver: () => boolean) =>
  Effect.gen(function* () {
    while (!isOver()) {
      const keys = yield* Effect.replicateEffect(Random.nextIntBetween(0, 50), EVENTS)
      const body = keys.map((key) => `{"key":"key ${key}","value":${key}}\n`).join("")
      const answer = yield* Effect.result(Http.ask("POST", `${url}/ingest`, body))
      tally.requests++
      const accepted = answer._tag === "Success" ? /"accepted":(\d+)/.exec(answer.success.text)?.[1] : undefined
      if (answer._tag !== "Success" || answer.success.status !== 200) tally.failed++
      tally.acknowledged += Number(accepted ?? 0)
    }
  })

const rowsOf = (url: string) => Effect.flatMap(Http.ask("GET", `${url}/workers`), ({ text }) => Look.workers(text))

/** Waits until a worker is ready in a life after this one. */
const isBack = (url: string, ordinal: number, generation: number) =>
  Effect.gen(function* () {
    while (true) {
      const row = (yield* rowsOf(url)).find((one) => one.ordinal === ordinal)
      if (row !== undefined && row.generation > generation && row.state === "Ready") return
      yield* Effect.sleep("10 millis")
    }
  })

const patient = Effect.fnUntraced(function* (kills: number, seconds: number) {
  const database = `${yield* folder}/gateway.sqlite`
  const { pid, service, url } = yield* start(database, { GATEWAY_RESTARTS: "1000000" })
  const tally: Tally = { requests: 0, failed: 0, acknowledged: 0 }
  let over = false
  const clients = yield* Effect.replicateEffect(Effect.forkScoped(client(url, tally, () => over)), CLIENTS)
  yield* Effect.sleep("1 second")
  const before = holds(pid)
  const endAt = (yield* Clock.currentTimeMillis) + seconds * 1000
  let killed = 0
  for (; killed < kills && (yield* Clock.currentTimeMillis) < endAt; killed++) {
    const ordinal = yield* Random.nextIntBetween(0, WORKERS - 1)
    const row = (yield* rowsOf(url)).find((one) => one.ordinal === ordinal)
    yield* service.tell(`kill ${ordinal}`)
    yield* Effect.timeoutOrElse(isBack(url, ordinal, row?.generation ?? 0), {
      duration: "30 seconds",
      orElse: () =>
        Effect.fail(
          new Violated({
            message: `worker ${ordinal} (${row?.name} ${row?.serviceOrdinal}) did not come back after kill ${killed + 1}: ${service.lastWord()}`
          })
        )
    })
    yield* Effect.sleep(PAUSE)
  }
  const generations = (yield* rowsOf(url)).reduce((sum, { generation }) => sum + generation, 0)
  yield* Effect.sleep("1 second")
  const after = holds(pid)
  over = true
  yield* Fiber.joinAll(clients)
  // On its way out: nobody comes after it, and what it had not stored is stored all the same.
  yield* service.tell("kill 0")
  yield* service.signal("SIGTERM")
  const { code } = yield* service.ended
  const held = yield* Look.snapshots(database)
  const wrong = [
    tally.failed > 0 && `${tally.failed} request(s) failed`,
    held.events < tally.acknowledged && `${tally.acknowledged - held.events} acknowledged event(s) lost`,
    held.events > tally.acknowledged && `${held.events - tally.acknowledged} event(s) counted twice`,
    held.files !== SHARDS && `${held.files} files`,
    generations !== WORKERS + killed && `${generations - WORKERS} restarts after ${killed} kills`,
    after.threads !== before.threads && `${before.threads} threads became ${after.threads}`,
    after.descriptors > before.descriptors + 4 && `${before.descriptors} descriptors became ${after.descriptors}`,
    code !== 0 && `exit code ${code}`
  ].filter((one) => one !== false)
  return { killed, ...tally, held: held.events, before, after, wrong }
}, Effect.scoped)

const impatient = Effect.fnUntraced(function* () {
  const { service, url } = yield* start(`${yield* folder}/gateway.sqlite`, {})
  const began = yield* Clock.currentTimeMillis
  const killing = Effect.gen(function* () {
    while (true) {
      yield* service.tell("kill 0")
      yield* Effect.sleep("50 millis")
    }
  })
  const { code } = yield* Effect.raceFirst(
    service.ended,
    Effect.timeoutOrElse(killing, {
      duration: "30 seconds",
      orElse: () => Effect.fail(new Violated({ message: "the gateway did not give up" }))
    })
  )
  yield* service.prints(/gives up.*wanted at most 3 restart\(s\) within 5000 ms/)
  const wrong = code === 1 ? [] : [`exit code ${code} after giving up`]
  return { gaveUpAfterMillis: (yield* Clock.currentTimeMillis) - began, url, wrong }
}, Effect.scoped)

const main = Effect.gen(function* () {
  const { kills, seconds, seed } = yield* options
  const { wrong, ...run } = yield* patient(kills, seconds).pipe(Random.withSeed(String(seed)))
  const { gaveUpAfterMillis, wrong: more } = yield* impatient()
  const violations = [...wrong, ...more]
  yield* Console.log(JSON.stringify({ script: "gateway-kill", seed, ...run, gaveUpAfterMillis, violations }))
  if (violations.length > 0) return yield* new Violated({ message: violations.join("; ") })
})

NodeRuntime.runMain(main)
