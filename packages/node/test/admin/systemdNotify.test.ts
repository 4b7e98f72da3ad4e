/**
 * `SystemdNotify` against a listener nobody here wrote, from real processes and from this one.
 */
import { assert, describe, it } from "@effect/vitest"
import * as SystemdNotify from "@selvedge/node/admin/SystemdNotify"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { readdirSync, readlinkSync } from "node:fs"
import { join } from "node:path"
import { folder, listen, type Row, serve } from "./support.ts"

const states = ["READY", "RELOADING", "STOPPING"]
const linesOf = (rows: ReadonlyArray<Row>, starts: ReadonlyArray<string>): ReadonlyArray<string> =>
  rows.flatMap(({ lines }) => lines.filter((line) => starts.some((start) => line.startsWith(start))))
const signs = (rows: ReadonlyArray<Row>): ReadonlyArray<number> =>
  rows.filter(({ lines }) => lines.includes("WATCHDOG=1")).map(({ at }) => at / 1000)

describe("a process with a service manager", () => {
  it("tells it everything from start to end in order, from the main process, and children inherit nothing [W13]", async () => {
    using place = folder()
    const socket = join(place.path, "notify")
    await using manager = await listen(socket)
    await using service = serve({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "4000000" })
    await manager.hears("READY=1")
    for (const reload of [1, 2]) {
      service.kill("SIGHUP")
      await manager.hears("READY=1", reload + 1)
    }
    service.kill("SIGTERM")
    assert.strictEqual(await service.ended, 0, service.text())
    await manager.hears("STATUS=stopped")
    const rows = manager.rows()
    assert.deepStrictEqual(linesOf(rows, states), [
      "READY=1",
      "RELOADING=1",
      "READY=1",
      "RELOADING=1",
      "READY=1",
      "STOPPING=1"
    ])
    let ready = 0
    for (const { at, lines } of rows) {
      if (lines.includes("READY=1")) ready = at
      if (!lines.includes("RELOADING=1")) continue
      const said = Number(lines.find((line) => line.startsWith("MONOTONIC_USEC="))?.split("=")[1])
      // The same clock: said before it was read, and after the signal, which was sent when READY=1 had been read.
      assert.isAtMost(said, at)
      assert.isAbove(said, ready)
    }
    const stop = rows.findIndex(({ lines }) => lines.includes("STOPPING=1"))
    assert.isTrue(rows[stop]?.lines.some((line) => line.startsWith("EXTEND_TIMEOUT_USEC=")))
    assert.deepStrictEqual(linesOf(rows.slice(0, stop), ["EXTEND"]), [])
    assert.isTrue(linesOf(rows, ["STATUS=stopping"]).some((line) => line.includes("slow")))
    assert.isTrue(rows.every(({ pid }) => pid === service.pid || pid === 0))
    assert.include(service.text(), "inherits []")
  })

  it("gives it no sign of life while the loop is blocked, and enough while it is not [W7] [W13]", async () => {
    using place = folder()
    const socket = join(place.path, "notify")
    await using manager = await listen(socket)
    await using service = serve({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "2000000" })
    await manager.hears("WATCHDOG=1", 6)
    service.tell("block\n")
    await manager.hears("X_TURNS=1")
    const rows = manager.rows()
    const indexOf = (line: string): number => rows.findIndex(({ lines }) => lines.includes(line))
    // Both are sent by the service where its signs of life go, and arrive in their order. Of those there would be five in between.
    assert.isAbove(indexOf("X_BLOCKED=1"), 0)
    assert.deepStrictEqual(linesOf(rows.slice(indexOf("X_BLOCKED=1"), indexOf("X_TURNS=1")), ["WATCHDOG=1"]), [])
    await manager.hears("WATCHDOG=1", linesOf(rows, ["WATCHDOG=1"]).length + 5)
    const all = signs(manager.rows())
    const gaps = all.slice(1).map((one, at) => one - all[at]!)
    console.log(`gaps of WATCHDOG=1 in ms (WATCHDOG_USEC 2000 ms): ${gaps.map(Math.round).join(" ")}`)
    service.kill("SIGTERM")
    assert.strictEqual(await service.ended, 0, service.text())
  })

  it("is not disturbed by a socket that is not there, and leaves the variables alone where it is told to [W13]", async () => {
    using place = folder()
    const socket = join(place.path, "notify")
    await using gone = serve({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "2000000" })
    await gone.until("runs", (text) => text.includes("runs\n"))
    await using manager = await listen(socket)
    await manager.hears("READY=1")
    gone.kill("SIGTERM")
    assert.strictEqual(await gone.ended, 0, gone.text())
    assert.strictEqual(gone.text().split("cannot be told: there is no such socket (ENOENT)").length, 2, gone.text())
    assert.deepStrictEqual(linesOf(manager.rows(), states), ["READY=1", "STOPPING=1"])
    const count = manager.rows().length
    await using off = serve({ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "2000000" }, false)
    await off.until("runs", (text) => text.includes("runs\n"))
    off.kill("SIGTERM")
    assert.strictEqual(await off.ended, 0, off.text())
    assert.include(off.text(), "inherits [NOTIFY_SOCKET WATCHDOG_USEC]")
    assert.strictEqual(manager.rows().length, count)
  })
})

/** Makes a recipient of some variables, does something with it, and gives what was logged. */
const recipientOf = (
  env: Record<string, string>,
  act: (send: ((...lines: ReadonlyArray<string>) => boolean) | undefined) => Promise<void>
): Promise<ReadonlyArray<string>> => {
  const said: Array<string> = []
  const logger = Logger.make((options) => void said.push(`${options.logLevel}: ${String(options.message)}`))
  return Effect.runPromise(
    SystemdNotify.make(env).pipe(
      Effect.flatMap((recipient) =>
        Effect.promise(() => act(recipient && ((...lines: ReadonlyArray<string>) => recipient.send(lines))))
      ),
      Effect.scoped,
      Effect.provide(Logger.layer([logger])),
      Effect.as(said)
    )
  )
}

const sockets = (): number =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:")
    } catch {
      return false
    }
  }).length

describe("NOTIFY_SOCKET", () => {
  it("may be a path or an abstract name, and its variables leave the environment [W13]", async () => {
    using place = folder()
    for (const socket of [join(place.path, "notify"), `@selvedge-test-${process.pid}`]) {
      await using manager = await listen(socket)
      const env: Record<string, string> = {
        NOTIFY_SOCKET: socket,
        WATCHDOG_USEC: "1",
        WATCHDOG_PID: "1",
        OTHER: "stays"
      }
      const said = await recipientOf(env, async (send) => {
        assert.isTrue(send?.("READY=1", "STATUS=grüße"))
        await manager.hears("STATUS")
        assert.deepStrictEqual(manager.rows()[0]?.lines, ["READY=1", "STATUS=grüße"])
      })
      assert.deepStrictEqual(said, [])
      assert.deepStrictEqual(env, { OTHER: "stays" })
    }
  })

  it("that is missing or empty costs nothing: nobody is told, nothing is opened [W13]", async () => {
    const before = sockets()
    for (const env of [{}, { NOTIFY_SOCKET: "" }]) {
      const said = await recipientOf(env, async (send) => assert.isUndefined(send))
      assert.deepStrictEqual(said, [])
    }
    assert.strictEqual(sockets(), before)
  })

  it("that cannot be used is told in one warning with what was wanted and found [W13]", async () => {
    const cases: ReadonlyArray<readonly [string, RegExp]> = [
      ["run/notify", /wanted an absolute path, or @name of an abstract socket, found "run\/notify"/],
      ["vsock:2:1234", /wanted an absolute path, or @name of an abstract socket, found "vsock:2:1234"/],
      ["@", /wanted a name after the first character/],
      [`/${"ü".repeat(60)}`, /wanted at most 107 bytes, found 121 bytes/]
    ]
    for (const [socket, message] of cases) {
      const said = await recipientOf({ NOTIFY_SOCKET: socket }, async (send) => assert.isUndefined(send))
      assert.strictEqual(said.length, 1)
      assert.match(said[0]!, /^Warn: NOTIFY_SOCKET: /)
      assert.match(said[0]!, message)
    }
    const said = await recipientOf({ NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "soon" }, async (send) => {
      assert.isDefined(send)
    })
    assert.match(
      said.join("\n"),
      /^Warn: WATCHDOG_USEC: wanted 1000 to 999999999999999 microseconds as a whole number, found "soon"/
    )
  })

  it("whose name has a line break does not forge a line of the log [W13]", async () => {
    const said = await recipientOf({ NOTIFY_SOCKET: "/nowhere\nERROR all is lost" }, async (send) => {
      assert.isFalse(send?.("A=0"))
    })
    assert.strictEqual(said.length, 1)
    assert.include(said[0], 'the service manager at "/nowhere\\nERROR all is lost" cannot be told')
  })

  it("that is gone, refuses or is full answers no, with one warning for each outage, and leaves no descriptor [W13]", async () => {
    using place = folder()
    const socket = join(place.path, "notify")
    const before = sockets()
    for (let life = 0; life < 20; life++) {
      await recipientOf({ NOTIFY_SOCKET: socket }, async (send) => assert.isFalse(send?.("A=0")))
    }
    assert.strictEqual(sockets(), before)
    const said = await recipientOf({ NOTIFY_SOCKET: socket }, async (send) => {
      assert.deepStrictEqual([send?.("A=1"), send?.("A=2")], [false, false])
      const first = await listen(socket)
      assert.isTrue(send?.("A=3"))
      await first.hears("A=3")
      await first.stop()
      assert.deepStrictEqual([send?.("A=4"), send?.("A=5")], [false, false])
    })
    assert.deepStrictEqual(said, [
      `Warn: the service manager at ${socket} cannot be told: there is no such socket (ENOENT); the service goes on`,
      `Info: the service manager at ${socket} is told again`,
      `Warn: the service manager at ${socket} cannot be told: nobody listens at it (ECONNREFUSED); the service goes on`
    ])
    const full = join(place.path, "full")
    await using manager = await listen(full, "--full")
    const warned = await recipientOf({ NOTIFY_SOCKET: full }, async (send) => {
      const answers = Array.from({ length: 2000 }, () => send?.("WATCHDOG=1"))
      assert.isTrue(answers[0])
      assert.deepStrictEqual(answers.slice(-2), [false, false])
      assert.deepStrictEqual(manager.rows(), [])
    })
    assert.deepStrictEqual(warned, [
      `Warn: the service manager at ${full} cannot be told: it is full, and nobody reads (EAGAIN); the service goes on`
    ])
  })
})
