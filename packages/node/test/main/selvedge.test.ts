/**
 * `Selvedge.run` in real processes, seen from outside: signals, exit codes, what stands on stdout and stderr.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ShutdownReport from "@selvedge/core/shutdown/ShutdownReport"
import * as Schema from "effect/Schema"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Hearing, LONGEST_MILLIS } from "../hearing.ts"

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

interface Running {
  readonly pid: number
  /** Waits until a text stands on stdout or stderr. */
  readonly says: (text: string | RegExp) => Promise<void>
  readonly kill: (name: NodeJS.Signals, pid?: number) => void
}

interface Options {
  readonly env?: Readonly<Record<string, string>>
  readonly argument?: string
  /** A program that starts node, with its arguments. */
  readonly through?: ReadonlyArray<string>
  readonly closeStdout?: boolean
}

const program = new URL("./fixtures/serving.ts", import.meta.url).pathname

/** Runs a scenario, does something to it once it says `ready`, and waits for its end. */
const serve = async (
  scenario: string,
  act: (running: Running) => Promise<void> | void,
  options: Options = {}
): Promise<Ended> => {
  const node = [process.execPath, "--conditions=@selvedge/source", program, scenario, options.argument ?? ""]
  const [command = "", ...args] = [...(options.through ?? []), ...node]
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    timeout: LONGEST_MILLIS,
    killSignal: "SIGKILL"
  })
  const ended = once(child, "exit")
  const closed = once(child, "close")
  const hearing = new Hearing(child, ended)
  if (options.closeStdout === true) child.stdout.destroy()
  const { says } = hearing
  const pid = child.pid ?? 0
  await act({ pid, says, kill: (name, to = pid) => void process.kill(to, name) })
  const [code, signal]: ReadonlyArray<unknown> = await ended
  await closed
  return {
    code: typeof code === "number" ? code : null,
    signal: typeof signal === "string" ? signal : null,
    stdout: hearing.stdout,
    stderr: hearing.stderr
  }
}

const send =
  (...names: ReadonlyArray<NodeJS.Signals>) =>
  async ({ kill, says }: Running): Promise<void> => {
    await says("ready")
    for (const [index, name] of names.entries()) {
      if (index > 0) await says(index === 1 ? "stopping: " : "forced to stop")
      kill(name)
    }
  }

const nothing = (): void => {}
const count = (text: string, part: string): number => text.split(part).length - 1

describe("signals to a running service", () => {
  it("SIGTERM, SIGINT and SIGHUP stop it once with 0, finalizers included [S5] [S6] [S7]", async () => {
    for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      const ended = await serve("polite", send(name))
      assert.deepStrictEqual([ended.code, ended.signal], [0, null], ended.stdout)
      assert.include(ended.stdout, "closed")
      assert.include(ended.stdout, `stopping: Signal ${name}`)
    }
  })

  it("SIGTERM gives 143 by option of the environment [S7]", async () => {
    const ended = await serve("polite", send("SIGTERM"), { env: { SELVEDGE_SIGNAL_EXIT_CODE: "true" } })
    assert.strictEqual(ended.code, 143, ended.stdout)
  })

  it("a second one forces with 128 + its number, at once [S6] [S7]", async () => {
    const int = await serve("stuck", send("SIGINT", "SIGINT"))
    assert.strictEqual(int.code, 130, int.stdout)
    assert.include(int.stdout, "closed")
    const term = await serve("stuck", send("SIGINT", "SIGTERM"))
    assert.strictEqual(term.code, 143, term.stdout)
  })

  it("a third one ends the process at once, whatever hangs [S6] [S7]", async () => {
    const ended = await serve("deaf", send("SIGINT", "SIGINT", "SIGINT"))
    assert.strictEqual(ended.code, 130, ended.stdout)
  })

  it("one during the start interrupts it with 0; what was built is released [S6] [S7]", async () => {
    for (const name of ["SIGTERM", "SIGHUP"] as const) {
      const ended = await serve("starting", send(name))
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.include(ended.stdout, "closed")
    }
  })

  it("SIGQUIT writes the task tree to stderr, while starting and while running, and goes on [S6]", async () => {
    for (const [scenario, stage] of [
      ["starting", "building"],
      ["polite", "running"]
    ] as const) {
      const ended = await serve(scenario, async ({ kill, says }) => {
        await says("ready")
        kill("SIGQUIT")
        await says("live task(s)")
        kill("SIGTERM")
      })
      assert.strictEqual(ended.code, 0, ended.stdout)
      assert.include(ended.stderr, `service: ${stage}, not stopping`)
      if (scenario === "polite") assert.include(ended.stderr, "polite")
    }
  })

  it("SIGHUP reloads where there is a handler, and the service goes on [S6]", async () => {
    const ended = await serve("reloads", async ({ kill, says }) => {
      await says("ready")
      kill("SIGHUP")
      await says("reloaded")
      kill("SIGTERM")
    })
    assert.strictEqual(ended.code, 0, ended.stdout)
    assert.strictEqual(count(ended.stdout, "reload handler"), 1)
  })

  it("readiness is off while requests are still accepted [S8]", async () => {
    const ended = await serve("probes", send("SIGTERM"))
    assert.strictEqual(ended.code, 0, ended.stdout)
    assert.include(ended.stdout, "ready false, draining false")
  })
})

describe("a service as PID 1 of a container", () => {
  // `unshare` makes node the first process of a namespace, where a signal without a handler does nothing.
  const through = ["unshare", "-pf", "--mount-proc", "--kill-child"]
  const init = (pid: number): number => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim())

  it("ends with the same codes [S6]", async () => {
    for (const [names, scenario, code] of [
      [["SIGTERM"], "polite", 0],
      [["SIGINT", "SIGINT"], "stuck", 130],
      [["SIGTERM", "SIGTERM", "SIGTERM"], "deaf", 143]
    ] as const) {
      const ended = await serve(
        scenario,
        (running) => send(...names)({ ...running, kill: (name) => running.kill(name, init(running.pid)) }),
        { through }
      )
      assert.deepStrictEqual([ended.code, ended.signal], [code, null], ended.stdout + ended.stderr)
    }
  })
})

describe("an end without a signal", () => {
  it("is 0 when run returns [S7]", async () => {
    const ended = await serve("returns", nothing)
    assert.strictEqual(ended.code, 0, ended.stdout)
    assert.include(ended.stdout, "closed")
  })

  it("is 1 for an uncaught exception and an unhandled rejection, each printed once [S4] [S7]", async () => {
    for (const [scenario, origin] of [
      ["throws", "uncaughtException"],
      ["rejects", "unhandledRejection"]
    ] as const) {
      const ended = await serve(scenario, nothing)
      assert.strictEqual(ended.code, 1, ended.stdout)
      assert.strictEqual(count(ended.stdout + ended.stderr, "nobody caught this"), 1, ended.stdout)
      assert.include(ended.stdout, origin)
      assert.include(ended.stdout, "closed")
    }
  })

  it("is 1 with one clear line for a port in use [S7] [S9]", async () => {
    const taken = createServer().listen(0, "127.0.0.1")
    await once(taken, "listening")
    const address = taken.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const ended = await serve("port", nothing, { argument: String(port) })
    taken.close()
    assert.strictEqual(ended.code, 1)
    assert.strictEqual(ended.stderr, "")
    const lines = ended.stdout.trimEnd().split("\n")
    assert.strictEqual(lines.length, 1, ended.stdout)
    assert.include(
      lines[0],
      `build failed: ListenError: cannot listen: listen EADDRINUSE: address already in use 127.0.0.1:${port}`
    )
  })

  it("is 1 with one line on stderr for a setting that cannot be, before anything starts [S7] [S8]", async () => {
    for (const [variable, value] of [
      ["SELVEDGE_SHUTDOWN_BUDGET", "soon"],
      ["SELVEDGE_SHUTDOWN_BUDGET", "1s"],
      ["SELVEDGE_GUARD", "maybe"]
    ] as const) {
      const ended = await serve("polite", nothing, { env: { [variable]: value } })
      assert.strictEqual(ended.code, 1)
      assert.strictEqual(ended.stdout, "")
      assert.match(ended.stderr, new RegExp(`^selvedge: ${variable} \\(option \\w+\\): wanted .*, found .*\\n$`))
    }
  })

  it("refuses a second service in the process, and the first goes on [S4]", async () => {
    const ended = await serve("twice", nothing)
    assert.strictEqual(ended.code, 0, ended.stdout)
    assert.include(ended.stdout, "refused: first is already running")
  })

  it("comes in bounded time when stdout is closed, although every line about it fails again [S6] [S8]", async () => {
    const ended = await serve("chatty", nothing, { closeStdout: true })
    assert.deepStrictEqual([ended.code, ended.signal], [1, null], ended.stderr)
  })
})

describe("the report", () => {
  const decode = Schema.decodeUnknownSync(Schema.fromJsonString(ShutdownReport.ShutdownReport))

  it("is one line of JSON on stderr, or in a file [S9]", async () => {
    const folder = mkdtempSync(join(tmpdir(), "selvedge-"))
    const file = join(folder, "report.json")
    try {
      const toFile = await serve("hangs", send("SIGTERM"), { env: { SELVEDGE_REPORT: file } })
      assert.strictEqual(toFile.code, 124)
      const report = decode(readFileSync(file, "utf8"))
      assert.deepStrictEqual(report.leftBehind, [{ type: "finalizer", name: "span stubborn pool", phase: "close" }])
      assert.strictEqual(report.exitCode, 124)
      const toStderr = await serve("polite", send("SIGTERM"), { env: { SELVEDGE_REPORT: "stderr" } })
      assert.strictEqual(decode(toStderr.stderr).reason?.detail, "Signal SIGTERM")
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("that cannot be written is said, and changes no exit code [S9] [S7]", async () => {
    const ended = await serve("polite", send("SIGTERM"), { env: { SELVEDGE_REPORT: "/nowhere/report.json" } })
    assert.strictEqual(ended.code, 0, ended.stdout)
    assert.include(ended.stdout, "the shutdown report could not be written to /nowhere/report.json: ENOENT")
  })

  it("does not wait for somebody to read a FIFO [S9] [S8]", async () => {
    const folder = mkdtempSync(join(tmpdir(), "selvedge-"))
    const fifo = join(folder, "fifo")
    try {
      execFileSync("mkfifo", [fifo])
      const ended = await serve("polite", send("SIGTERM"), { env: { SELVEDGE_REPORT: fifo } })
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.include(ended.stdout, `the shutdown report could not be written to ${fifo}: ENXIO`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe("a service that blocks its event loop", () => {
  for (const [scenario, code, what] of [
    ["busyTask", 124, "phase tasks"],
    ["busyClose", 124, "phase close"],
    ["busyPreStart", 124, "stopping"],
    ["busyRequest", 124, "stopping"]
  ] as const) {
    it(`is ended by the guard with its code: ${scenario} [S8] [S7]`, async () => {
      const ended = await serve(scenario, scenario === "busyRequest" ? nothing : send("SIGTERM"))
      assert.deepStrictEqual([ended.code, ended.signal], [code, null], ended.stderr)
      assert.include(ended.stderr, what)
    })
  }

  it("gets everything else ended by itself: a finalizer that hangs costs no guard [S8]", async () => {
    const ended = await serve("hangs", send("SIGTERM"))
    assert.strictEqual(ended.code, 124)
    assert.notInclude(ended.stderr, "guard")
    assert.include(ended.stdout, `left behind: finalizer "span stubborn pool"`)
  })
})

describe("the option logger", () => {
  it("is used for the service's lines and for selvedge's own [S5] [S9]", async () => {
    const ended = await serve("logsJson", nothing)
    assert.strictEqual(ended.code, 0, ended.stderr)
    const messages = ended.stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => String(JSON.parse(line).message))
    assert.include(messages, "from the service")
    assert.isTrue(
      messages.some((message) => message.startsWith("shutdown took")),
      ended.stdout
    )
    assert.notInclude(ended.stdout, "INFO (")
  })
})
