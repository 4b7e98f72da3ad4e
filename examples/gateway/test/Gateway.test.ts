/** The gateway as a whole, in one process, over real sockets. */
import { assert, describe, it } from "@effect/vitest"
import { Main, Signals } from "@selvedge/core"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as HttpServer from "effect/http/HttpServer"
import * as Schedule from "effect/Schedule"
import { spawnSync } from "node:child_process"
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { follow } from "../demo/http.ts"
import * as Arguments from "../Arguments.ts"
import * as Gateway from "../Gateway.ts"
import * as Server from "../Server.ts"
import { Settings } from "../Settings.ts"
import { folder, withEnvironment } from "./support.ts"

/** Starts the gateway; `stop` sends SIGTERM and gives the outcome. */
const start = (env: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const signals = yield* Signals.makeManual
    const listening = yield* Deferred.make<string>()
    const main = yield* Main.run(Gateway.layer, {
      kinds: Gateway.kinds,
      onStart: HttpServer.addressFormattedWith((url) => Deferred.succeed(listening, url))
    }).pipe(
      Effect.provideService(Signals.Signals, signals),
      withEnvironment({ GATEWAY_PORT: "0", GATEWAY_STREAM_EVERY: "10ms", ...env }),
      Effect.forkChild
    )
    const url = yield* Effect.raceFirst(Deferred.await(listening), Effect.andThen(Fiber.await(main), Effect.never))
    const stop = Effect.suspend(() => {
      signals.signalUnsafe("SIGTERM")
      return Fiber.join(main)
    })
    return { url, stop }
  })

const ask = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    return { status: response.status, task: response.headers.get("x-task"), text: await response.text() }
  })

/** Waits for what real sockets bring in their own time. */
const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isSo() ? Effect.void : Effect.andThen(Effect.sleep("2 millis"), until(isSo))))

interface Answer {
  readonly accepted: number
  readonly rejected: number
  readonly problems: ReadonlyArray<unknown>
  readonly stopped: string
}

const post = (url: string, body: string) => ask(`${url}/ingest`, { method: "POST", body })

describe("the gateway", () => {
  it("refuses an argument that cannot be, and says what was wanted and found", () => {
    const refused = (...args: ReadonlyArray<string>) => Arguments.read(args)
    assert.strictEqual(refused("--threads=0"), 'wanted --threads 1 to 64, found "0"')
    assert.strictEqual(refused("--processes", "1.5"), 'wanted --processes 1 to 64, found "1.5"')
    assert.strictEqual(refused("--processes", ""), 'wanted --processes 1 to 64, found ""')
    assert.match(String(refused("--threads")), /^wanted .*--threads N.*, found "--threads"$/)
    assert.match(String(refused("--plant=x")), /^wanted .*--plant=block\|.*, found --plant="x"$/)
    assert.match(String(refused("serve", "--threads=2")), /^wanted .*, found "serve" "--threads=2"$/)
    assert.deepStrictEqual(refused("--threads=2", "--plant=long"), {
      plant: "long",
      variables: { GATEWAY_THREADS: "2" }
    })
  })

  it("refuses arguments in one line: it has none", () => {
    const main = new URL("../main.ts", import.meta.url).pathname
    const args = ["--conditions=@selvedge/source", "--no-warnings", main, "--port"]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
    assert.strictEqual(status, 2)
    assert.match(stderr, /^gateway: wanted .+, found "--port"\n$/)
  })

  it.live("answers while it starts, and is not ready then [S8]", () =>
    Effect.gen(function* () {
      // Nobody serves: what a client meets while the workers are started.
      const found: Array<string> = []
      const outcome = yield* Main.run(Server.layer.pipe(Layer.provide(Settings.layer)), {
        onStart: HttpServer.addressFormattedWith((url) =>
          Effect.forEach([ask(`${url}/ready`), post(url, '{"key":"a","value":1}\n')], (answer) =>
            Effect.map(answer, ({ status, text }) => void found.push(`${status} ${text}`))
          )
        ),
        run: Effect.void
      }).pipe(withEnvironment({ GATEWAY_PORT: "0" }))
      assert.deepStrictEqual([outcome.exitCode, found], [0, ["503 starting\n", "503 starting\n"]])
    })
  )

  it.live("keeps good lines, tells bad ones by number, and has them all back after a restart [S5]", () =>
    Effect.gen(function* () {
      const env = { GATEWAY_DB: `${yield* folder}/gateway.sqlite`, GATEWAY_SNAPSHOT_EVERY: "1 hour" }
      const first = yield* start(env)
      const answer = yield* post(first.url, '{"key":"a","value":1}\n\nno json\n{"key":"b","value":2}\n{"key":"c"}')
      assert.strictEqual(answer.status, 200)
      assert.match(answer.task ?? "", /^RpcHandler #\d+$/)
      assert.deepStrictEqual(JSON.parse(answer.text), {
        accepted: 2,
        rejected: 2,
        problems: [
          { line: 3, why: "Expected a valid JSON string" },
          { line: 5, why: 'Missing key at ["value"]' }
        ]
      })
      assert.strictEqual((yield* post(first.url, "bad")).status, 400)
      assert.strictEqual((yield* first.stop).exitCode, 0)

      const second = yield* start(env)
      const top = yield* ask(`${second.url}/top?n=1`)
      assert.deepStrictEqual(JSON.parse(top.text), {
        events: 2,
        keys: 2,
        top: [{ key: "a", count: 1, sum: 1, min: 1, max: 1 }]
      })
      yield* second.stop
    }).pipe(Effect.scoped)
  )

  it.live("bounds what it takes: body, line and number of keys to answer [S5]", () =>
    Effect.gen(function* () {
      const limits = { GATEWAY_MAX_BODY_BYTES: "1024", GATEWAY_MAX_LINE_BYTES: "64", GATEWAY_BUFFERED_EVENTS: "1" }
      const { stop, url } = yield* start({ GATEWAY_DB: `${yield* folder}/gateway.sqlite`, ...limits })
      const line = '{"key":"a","value":1}\n'
      assert.include((yield* post(url, line.repeat(40))).text, '"accepted":40')
      const large = yield* post(url, line.repeat(100))
      assert.deepStrictEqual([large.status, /at most 1024 bytes/.test(large.text)], [413, true])
      const long = yield* post(url, `{"key":"${"k".repeat(80)}","value":1}\n${line}`)
      assert.include(long.text, '"accepted":1,"rejected":1,"problems":[{"line":1,"why":"wanted at most 64 bytes')
      for (const n of ["0", "1001", "1.5", "x", ""])
        assert.strictEqual((yield* ask(`${url}/top?n=${n}`)).status, 400, n)
      yield* stop
    }).pipe(Effect.scoped)
  )

  it.live("streams to each client from a task of its own and says goodbye to all when it stops [S8] [T2]", () =>
    Effect.gen(function* () {
      const { stop, url } = yield* start({ GATEWAY_DB: `${yield* folder}/gateway.sqlite` })
      assert.strictEqual((yield* ask(`${url}/ready`)).status, 200)
      const clients = [yield* follow(`${url}/stream`), yield* follow(`${url}/stream`)]
      yield* until(() => clients.every((client) => client.last()?.events === 0))
      yield* post(url, '{"key":"a","value":1}\n')
      yield* until(() => clients.every((client) => client.last()?.events === 1))
      const outcome = yield* stop
      const kinds = outcome.report?.tasks.kinds.find((row) => row.kind === "PeerConnection")
      assert.deepStrictEqual([outcome.exitCode, kinds?.live, kinds?.interrupted], [0, 2, 0])
      yield* until(() => clients.every((client) => client.ending() !== undefined))
      for (const client of clients) assert.deepStrictEqual([client.ending(), client.last()?.events], ["bye", 1])
    }).pipe(Effect.scoped)
  )

  it.live(
    "refuses what it has no room for, says so at /ready, and takes it again as soon as it can be stored [S5]",
    () =>
      Effect.gen(function* () {
        const directory = yield* folder
        const { stop, url } = yield* start({
          GATEWAY_DB: `${directory}/gateway.sqlite`,
          GATEWAY_PARSERS: "1",
          GATEWAY_WORKERS: "1",
          GATEWAY_BUFFERED_EVENTS: "64",
          GATEWAY_ROOM_WITHIN: "200ms",
          GATEWAY_SNAPSHOT_EVERY: "1 hour"
        })
        const pause = Schedule.spaced("10 millis")
        const readiness = (until: (found: { readonly status: number; readonly text: string }) => boolean) =>
          Effect.repeat(ask(`${url}/ready`), { schedule: pause, until })
        // As good as a full disk: SQLite cannot make its journal.
        const journal = `${directory}/gateway.0.sqlite-journal`
        mkdirSync(journal)
        const line = '{"key":"a","value":1}\n'
        const init = { method: "POST", body: `${line.repeat(80)}bad\n${line.repeat(19)}bad` }
        const refused = yield* Effect.promise(() => fetch(`${url}/ingest`, init))
        assert.deepStrictEqual([refused.status, refused.headers.get("retry-after")], [503, "1"])
        const answer = (yield* Effect.promise(() => refused.json())) as Answer
        assert.deepStrictEqual([answer.accepted, answer.rejected, answer.problems], [64, 0, []])
        assert.match(answer.stopped, /^no room for events for 200ms.*: nothing was taken from line 65 on$/)
        const why = yield* readiness(({ text }) => text.includes("cannot store shard 0"))
        assert.strictEqual(why.status, 503)
        assert.match(
          why.text,
          /^not ready: no room for events for 200ms; cannot store shard 0: the snapshot could not be/
        )
        rmdirSync(journal)
        yield* readiness(({ status }) => status === 200)
        assert.include((yield* post(url, line.repeat(36))).text, '"accepted":36')
        assert.include((yield* ask(`${url}/top`)).text, '"events":100')
        assert.strictEqual((yield* stop).exitCode, 0)
      }).pipe(Effect.scoped)
  )

  it.live("is operated by those who know the token, and by nobody where there is none [W11] [W14]", () =>
    Effect.gen(function* () {
      const token = "of sixteen letters".replaceAll(" ", "-")
      const { stop, url } = yield* start({
        GATEWAY_DB: `${yield* folder}/gateway.sqlite`,
        GATEWAY_PARSERS: "1",
        GATEWAY_WORKERS: "1",
        GATEWAY_OPERATOR_TOKEN: token
      })
      const operate = (path: string, authorization = `Bearer ${token}`) =>
        ask(`${url}/operate/${path}`, { method: "POST", headers: { authorization } })
      for (const wrong of ["", token, "Bearer ", `Bearer ${token}x`, `Basic ${token}`]) {
        assert.strictEqual((yield* operate("scale?service=parse&count=2", wrong)).status, 401, wrong)
      }
      for (const bad of [
        "scale?service=aggregate&count=2",
        "scale?service=parse&count=0",
        "scale",
        "reload?parsers=x",
        "restart?service=x"
      ]) {
        assert.strictEqual((yield* operate(bad)).status, 400, bad)
      }
      yield* post(url, '{"key":"a","value":1}\n')
      const scaled = yield* operate("scale?service=parse&count=2")
      assert.deepStrictEqual(JSON.parse(scaled.text), { started: 1, kept: 1, retired: 0, leftBehind: [] })
      const restarted = yield* operate("restart?service=aggregate")
      assert.deepStrictEqual(JSON.parse(restarted.text), { started: 1, kept: 0, retired: 1, leftBehind: [] })
      assert.include((yield* ask(`${url}/top`)).text, '"events":1')
      const kept = yield* operate("reload?parsers=1")
      assert.deepStrictEqual(JSON.parse(kept.text), { started: 0, kept: 2, retired: 1, leftBehind: [] })
      yield* stop

      const closed = yield* start({ GATEWAY_DB: `${yield* folder}/gateway.sqlite`, GATEWAY_WORKERS: "1" })
      assert.strictEqual((yield* ask(`${closed.url}/operate/restart`, { method: "POST" })).status, 404)
      yield* closed.stop
    }).pipe(Effect.scoped)
  )

  it.live("ends with 1 and one line when a setting, the port or the database cannot be used [S7]", () =>
    Effect.gen(function* () {
      const database = `${yield* folder}/gateway.sqlite`
      const taken = yield* Effect.acquireRelease(
        Effect.promise(
          () =>
            new Promise<ReturnType<typeof createServer>>((resolve) => {
              const server = createServer().listen(0, "127.0.0.1", () => resolve(server))
            })
        ),
        (server) => Effect.sync(() => server.close())
      )
      const port = String((taken.address() as AddressInfo).port)
      const failure = (env: Readonly<Record<string, string>>) =>
        Effect.map(
          withEnvironment({ GATEWAY_PORT: "0", GATEWAY_DB: database, ...env })(Main.run(Gateway.layer)),
          ({ error, exitCode }) => {
            const found = error?.reasons.map((reason) =>
              reason._tag === "Fail" ? (reason.error as Error).message : ""
            )
            return `${exitCode} ${found?.join()}`
          }
        )
      assert.strictEqual(
        yield* failure({ GATEWAY_PORT: port }),
        `1 GATEWAY_PORT ${port} on 127.0.0.1 cannot be used: another process listens there`
      )
      assert.match(yield* failure({ GATEWAY_PORT: "65536" }), /^1 GATEWAY_PORT .* from 0 to 65535, found "65536"$/)
      assert.match(
        yield* failure({ GATEWAY_PROCESSES: "1", GATEWAY_WORKERS: "25" }),
        /^1 GATEWAY_WORKERS .* at most 24 with GATEWAY_PROCESSES, found 25$/
      )
      const secret = yield* failure({ GATEWAY_OPERATOR_TOKEN: "too short" })
      assert.match(secret, /^1 GATEWAY_OPERATOR_TOKEN .* 16 to 256 .* found 9 characters$/)
      assert.match(yield* failure({ GATEWAY_SNAPSHOT_EVERY: "soon" }), /^1 GATEWAY_SNAPSHOT_EVERY .* found "soon"$/)
      // Folders that cannot be written to, for whoever runs this.
      assert.match(yield* failure({ GATEWAY_DB: "/proc/none/x" }), /^1 GATEWAY_DB \/proc\/none\/x.0 cannot be used: /)
      writeFileSync(`${database}.file`, "")
      const memory = yield* failure({ GATEWAY_PROCESSES: "1", GATEWAY_MEMORY: `${database}.file/x` })
      assert.match(
        memory,
        /^1 GATEWAY_MEMORY .*: wanted a directory it can be made in, found ".*\.file\/x" \(ENOTDIR\)$/
      )
    }).pipe(Effect.scoped)
  )
})
