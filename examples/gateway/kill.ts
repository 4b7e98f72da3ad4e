/**
 * `npm run kill -w examples`: kills workers of the gateway again and again, under load, and adds everything up.
 *
 * The next kill comes 200 ms after the last one's replacement is ready, the last one just before SIGTERM. At the end every acknowledged
 * event must be counted exactly once, no request may have failed, and the process must have the threads, files and descriptors it
 * began with. Then the same without patience: with the default intensity the gateway must give up with `RestartIntensityExceeded`.
 *
 * With `--processes N --threads N` the workers are processes, and the parsers threads in them, and whoever is killed may also be a thread in a
 * process, or the gateway itself: it is started again on what it left. Then a request may break, and its events are counted or not; what
 * was acknowledged is counted exactly once all the same, and in the end no process and no memory is left.
 *
 * Options: `--kills N` (100), `--seed N` (1), `--seconds N` (300: then it stops killing). Prints one line of JSON; ends with 1 on a violation.
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { readdirSync } from "node:fs"
import * as Look from "./demo/look.ts"
import * as UnderLoad from "./demo/underLoad.ts"

const SHARDS = 2
const PARSERS = 2
const CLIENTS = 2
const PAUSE = "200 millis"

const declared = {
  kills: { default: 100, min: 1 },
  seed: { default: 1, min: 1 },
  seconds: { default: 300, min: 1 },
  /** 0: all workers are threads of the gateway. */
  processes: { default: 0, min: 0 },
  threads: { default: 2, min: 1 }
} as const

type Options = { readonly [K in keyof typeof declared]: number }

const start = (database: string, env: Readonly<Record<string, string>>) =>
  UnderLoad.start("./service.ts", {
    GATEWAY_DB: database,
    GATEWAY_WORKERS: String(SHARDS),
    GATEWAY_PARSERS: String(PARSERS),
    GATEWAY_SNAPSHOT_EVERY: "100 millis",
    DEMO_PLANT: "no",
    DEMO_BREAK: "",
    DEMO_KILLABLE: "yes",
    ...env
  })

/** Kills a worker and waits until it is ready in a life after that. */
const killWorker = Effect.fnUntraced(function* ({ service, url }: UnderLoad.Started, who: string, turn: number) {
  const isIt = (row: Effect.Success<ReturnType<typeof Look.workers>>[number]): boolean =>
    `${row.name} ${row.serviceOrdinal}` === who
  const before = (yield* UnderLoad.rowsOf(url)).find(isIt)?.generation ?? 0
  yield* service.tell(`kill ${who}`)
  const isBack = Effect.map(UnderLoad.rowsOf(url), (rows) =>
    rows.some((row) => isIt(row) && row.generation > before && row.state === "Ready")
  )
  yield* UnderLoad.until(`${who} to come back after kill ${turn}`, 240, isBack).pipe(
    Effect.catchTag("Violated", ({ message }) =>
      Effect.flatMap(UnderLoad.rowsOf(url), (rows) =>
        Effect.fail(new UnderLoad.Violated({ message: `${message}; ${service.lastWord()}; ${JSON.stringify(rows)}` }))
      )
    )
  )
})

/** A gateway that can be killed, and started again on what it left. */
const stage = Effect.fnUntraced(function* ({ processes, threads }: Options) {
  const database = `${yield* UnderLoad.folder("kill")}/gateway.sqlite`
  const memory = processes === 0 ? undefined : yield* UnderLoad.folder("kill", "/dev/shm")
  const env = {
    GATEWAY_RESTARTS: "1000000",
    // Only those that are killed here end: a busy machine is no reason.
    GATEWAY_HEALTH_TIMEOUT: "4 minutes",
    ...(memory === undefined
      ? {}
      : { GATEWAY_PROCESSES: String(processes), GATEWAY_THREADS: String(threads), GATEWAY_MEMORY: memory })
  }
  let gateway = yield* start(database, env)
  const settle = Effect.suspend(() => Effect.andThen(Effect.sleep("1 second"), UnderLoad.quiet(gateway.pid)))
  yield* settle
  let before = UnderLoad.holds(gateway.pid)
  /** SIGKILL, as by the kernel without memory: nothing of it is put in order. */
  const killGateway = Effect.gen(function* () {
    yield* gateway.service.signal("SIGKILL")
    yield* gateway.service.ended
    gateway = yield* start(database, env)
    yield* settle
    before = UnderLoad.holds(gateway.pid)
  })
  const left = Effect.sync(() => [
    ...UnderLoad.startedWith(`GATEWAY_DB=${database}`).map((pid) => `process ${pid}`),
    ...(memory === undefined ? [] : readdirSync(memory))
  ])
  return { database, gateway: () => gateway, killGateway, before: () => before, left }
})

/** Who may be killed. */
const victims = ({ processes }: Options): ReadonlyArray<string> => [
  ...Array.from({ length: SHARDS }, (_, shard) => `aggregate ${shard}`),
  ...Array.from({ length: processes === 0 ? PARSERS : processes }, (_, at) => `parse ${at}`),
  ...(processes === 0 ? [] : ["a thread", "the gateway"])
]

const patient = Effect.fnUntraced(function* (options: Options) {
  const { before, database, gateway, killGateway, left } = yield* stage(options)
  const who = victims(options)
  // Drawn before the clients draw: the seed says who is killed, and in which order.
  const next = yield* Effect.replicateEffect(Random.nextIntBetween(0, who.length - 1), options.kills)
  const tally = UnderLoad.tally()
  let over = false
  const target = { url: () => gateway().url, mayBreak: options.processes > 0, isOver: () => over }
  const clients = yield* Effect.replicateEffect(Effect.forkScoped(UnderLoad.client(target, tally)), CLIENTS)
  yield* Effect.sleep("1 second")
  const endAt = (yield* Clock.currentTimeMillis) + options.seconds * 1000
  const killed: Record<string, number> = {}
  let turn = 0
  for (; turn < options.kills && (yield* Clock.currentTimeMillis) < endAt; turn++) {
    const victim = who[next[turn]!]!
    killed[victim] = (killed[victim] ?? 0) + 1
    if (victim === "the gateway") yield* killGateway
    else if (victim === "a thread") yield* gateway().service.tell("vanish")
    else yield* killWorker(gateway(), victim, turn + 1)
    yield* Effect.sleep(PAUSE)
  }
  const { pid, service, url } = gateway()
  const generations = (yield* UnderLoad.rowsOf(url)).reduce((sum, { generation }) => sum + generation, 0)
  yield* Effect.sleep("1 second")
  yield* UnderLoad.quiet(pid)
  const after = UnderLoad.holds(pid)
  over = true
  yield* Fiber.joinAll(clients)
  // On its way out: nobody comes after it, and what it had not stored is stored all the same.
  yield* service.tell("kill aggregate 0")
  yield* service.signal("SIGTERM")
  const { code } = yield* service.ended
  const held = yield* Look.snapshots(database)
  const restarts = generations - SHARDS - PARSERS
  const wrong = [
    ...UnderLoad.addUp(tally, held, SHARDS),
    ...UnderLoad.grown(before(), after),
    options.processes === 0 && restarts !== turn && `${restarts} restarts after ${turn} kills`,
    code !== 0 && `exit code ${code}`,
    ...(yield* left).map((what) => `${what} is left`)
  ].filter((one) => one !== false)
  return { killed: turn, who: killed, ...tally, held: held.events, before: before(), after, wrong }
}, Effect.scoped)

const impatient = Effect.fnUntraced(function* () {
  const { service } = yield* start(`${yield* UnderLoad.folder("kill")}/gateway.sqlite`, {
    // A busy machine may not manage more of them within five seconds.
    GATEWAY_RESTARTS: "0"
  })
  const began = yield* Clock.currentTimeMillis
  const killing = Effect.gen(function* () {
    while (true) {
      yield* service.tell("kill aggregate 0")
      yield* Effect.sleep("50 millis")
    }
  })
  const { code } = yield* Effect.raceFirst(
    service.ended,
    Effect.timeoutOrElse(killing, {
      duration: "4 minutes",
      orElse: () => Effect.fail(new UnderLoad.Violated({ message: "the gateway did not give up" }))
    })
  )
  yield* service.prints(/gives up.*wanted at most 0 restart\(s\) within 5000 ms/)
  const wrong = code === 1 ? [] : [`exit code ${code} after giving up`]
  return { gaveUpAfterMillis: (yield* Clock.currentTimeMillis) - began, wrong }
}, Effect.scoped)

/** Who gives up is the same, whatever the workers are. */
const notAsked = { gaveUpAfterMillis: undefined, wrong: [] }

const main = Effect.gen(function* () {
  const options = yield* UnderLoad.numbers(declared, process.argv.slice(2))
  const { processes, seed, threads } = options
  const { wrong, ...run } = yield* patient(options).pipe(Random.withSeed(String(seed)))
  const { gaveUpAfterMillis, wrong: more } = processes === 0 ? yield* impatient() : notAsked
  const violations = [...wrong, ...more]
  const result = { script: "gateway-kill", seed, processes, threads, ...run, gaveUpAfterMillis, violations }
  yield* Console.log(JSON.stringify(result))
  return violations.length === 0 ? 0 : 1
})

UnderLoad.run("kill", main)
