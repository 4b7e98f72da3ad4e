/**
 * Dumps on demand, at the watchdog's socket.
 */
import { assert, describe, it } from "@effect/vitest"
import * as DumpSchema from "@selvedge/core/inspection/DumpSchema"
import * as DumpSocket from "@selvedge/node/diagnostics/DumpSocket"
import * as NodeWatchdog from "@selvedge/node/diagnostics/NodeWatchdog"
import { SocketRefused } from "@selvedge/node/diagnostics/NodeWatchdogError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { count, watched } from "./support.ts"

const withFolder = <A, E, R>(body: (folder: string) => Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "selvedge-watchdog-"))),
    body,
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

const listening = (path: string) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer()
      server.listen(path, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  )

const refusalOf = (path: string) =>
  NodeWatchdog.make({ socket: path }).pipe(
    Effect.scoped,
    Effect.flip,
    Effect.map((error) => (error instanceof SocketRefused ? `${error.wanted} | ${error.found}` : error.message))
  )

describe("the socket", () => {
  it.live("is private, answers text and JSON, and is removed at the end [D6] [D7]", () =>
    withFolder((folder) => {
      const path = join(folder, "own", "dump.sock")
      return Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const watchdog = yield* NodeWatchdog.make({ socket: path })
            assert.strictEqual(watchdog.socket, path)
            assert.deepStrictEqual(
              [statSync(path).mode & 0o777, statSync(join(folder, "own")).mode & 0o777],
              [0o600, 0o700]
            )
            assert.include(yield* DumpSocket.request(path), `=== selvedge dump of process ${process.pid}`)
            const dump = yield* Schema.decodeEffect(DumpSchema.DumpJson)(yield* DumpSocket.request(path, "json"))
            assert.deepStrictEqual([dump.occasion, dump.process?.pid], ["socket", process.pid])
          })
        )
        assert.isFalse(existsSync(path))
        const gone = yield* Effect.flip(DumpSocket.request(path))
        assert.include(gone.message, path)
      })
    })
  )

  it.live(
    "answers a client that says nothing, refuses other words, and is not held up by one that does not read [D7]",
    () =>
      withFolder((folder) =>
        Effect.scoped(
          Effect.gen(function* () {
            const path = join(folder, "dump.sock")
            yield* NodeWatchdog.make({ socket: path })
            const say = (text: string | undefined) =>
              Effect.callback<string>((resume) => {
                let received = ""
                const socket = connect(path, () => void (text === undefined ? undefined : socket.write(text)))
                socket.on("data", (chunk) => void (received += String(chunk)))
                socket.on("close", () => resume(Effect.succeed(received)))
              })
            const mute = connect(path)
            yield* Effect.addFinalizer(() => Effect.sync(() => mute.destroy()))
            assert.include(yield* say(undefined), "=== end of dump ===")
            assert.strictEqual(yield* say("stop\n"), 'wanted "text" or "json", found "stop"\n')
            assert.include(yield* say("x".repeat(100_000)), "wanted")
            assert.include(yield* DumpSocket.request(path), "=== end of dump ===")
          })
        )
      )
  )

  it.live("left by a killed process is replaced; one at which somebody listens, or another file, is not [D7]", () =>
    withFolder((folder) =>
      Effect.scoped(
        Effect.gen(function* () {
          const stale = join(folder, "stale.sock")
          // A server removes the path it was given: moved away meanwhile, its socket stays.
          yield* Effect.scoped(
            Effect.andThen(
              listening(stale),
              Effect.addFinalizer(() => Effect.sync(() => renameSync(stale, `${stale}.moved`)))
            )
          )
          renameSync(`${stale}.moved`, stale)
          assert.isTrue(lstatSync(stale).isSocket())
          yield* NodeWatchdog.make({ socket: stale })
          assert.include(yield* DumpSocket.request(stale), "=== selvedge dump")

          const used = join(folder, "used.sock")
          yield* listening(used)
          assert.include(yield* refusalOf(used), "at which another process listens")
          assert.isTrue(existsSync(used))
          const file = join(folder, "file")
          writeFileSync(file, "precious")
          assert.include(yield* refusalOf(file), "another file")
          assert.isTrue(existsSync(file))
        })
      )
    )
  )

  it.live("of its own choice lies in a private folder, from which those of dead processes are swept [D7]", () =>
    withFolder((folder) => {
      const before = process.env["XDG_RUNTIME_DIR"]
      process.env["XDG_RUNTIME_DIR"] = folder
      const own = join(folder, `selvedge-${process.getuid?.() ?? "user"}`)
      return Effect.scoped(
        Effect.gen(function* () {
          mkdirSync(own, { mode: 0o700 })
          // No system has a process of this number.
          yield* listening(join(own, "shop-999999999.sock"))
          writeFileSync(join(own, "notes-999999999.sock"), "precious")
          const { socket } = yield* NodeWatchdog.make({ socket: "auto", name: "a shop" })
          assert.strictEqual(socket, join(own, `a_shop-${process.pid}.sock`))
          assert.deepStrictEqual(readdirSync(own).toSorted(), [`a_shop-${process.pid}.sock`, "notes-999999999.sock"])
        })
      ).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            if (before === undefined) delete process.env["XDG_RUNTIME_DIR"]
            else process.env["XDG_RUNTIME_DIR"] = before
          })
        )
      )
    })
  )

  it.live("in a folder others may write to, or with a path that is too long, is refused [D7]", () =>
    withFolder((folder) =>
      Effect.gen(function* () {
        chmodSync(folder, 0o777)
        const open = yield* refusalOf(join(folder, "dump.sock"))
        assert.include(open, "a folder of this user that nobody else can write to")
        assert.include(open, "777")
        assert.include(yield* refusalOf(join(folder, "x".repeat(200))), "a path of at most 107 bytes")
        const error = yield* Effect.flip(Effect.scoped(NodeWatchdog.make({ socket: "a\0b" })))
        assert.include(error.message, "SELVEDGE_WATCHDOG_SOCKET")
      })
    )
  )
})

describe("a running service", () => {
  it.live("is dumped while its loop is blocked, and while it turns [D6] [D7]", () =>
    withFolder((folder) =>
      Effect.promise(async () => {
        const path = join(folder, "dump.sock")
        const dumps: Array<string> = []
        const ask = async () => void dumps.push(await Effect.runPromise(DumpSocket.request(path)))
        const { stderr } = await watched("blocked", {
          env: { SELVEDGE_WATCHDOG_SOCKET: path },
          act: async ({ kill, release, says }) => {
            await ask()
            await says(/by task "cruncher"[^]*=== end of dump ===/)
            await ask()
            release()
            await says("turns again")
            kill("SIGTERM")
          }
        })
        assert.include(dumps[0], '"bystander" (PeerConnection #1')
        assert.match(dumps[1] ?? "", /"cruncher" \(Maintenance #2, .*RUNNING NOW\)/)
        assert.strictEqual(count(stderr, "=== selvedge dump"), 1)
        assert.isFalse(existsSync(path))
      })
    )
  )

  it.live("is told in one line when its socket cannot be, and does not start [D7]", () =>
    withFolder((folder) =>
      Effect.promise(async () => {
        chmodSync(folder, 0o777)
        const ended = await watched("idle", { env: { SELVEDGE_WATCHDOG_SOCKET: join(folder, "dump.sock") } })
        assert.strictEqual(ended.code, 1)
        assert.match(ended.stderr, /^selvedge: SELVEDGE_WATCHDOG_SOCKET .* wanted a folder .* found .*\n$/)
        assert.strictEqual(ended.stdout, "")
      })
    )
  )
})
