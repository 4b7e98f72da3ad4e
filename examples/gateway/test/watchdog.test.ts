/**
 * The gateway with a task that holds its event loop for three seconds, seen from outside.
 */
import { assert, describe, it } from "vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const now = (): number => Number(process.hrtime.bigint() / 1_000_000n)

/** Starts the gateway with a plant; `at` waits for a text on stderr or stdout, and says when it came. */
const gateway = async (plant: string, act: (running: Running) => Promise<void>): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), "selvedge-gateway-"))
  const child = spawn(
    process.execPath,
    [
      "--conditions=@selvedge/source",
      "--no-warnings",
      new URL("../main.ts", import.meta.url).pathname,
      `--plant=${plant}`
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, GATEWAY_PORT: "0", GATEWAY_DB: join(folder, "gateway.sqlite") },
      timeout: 50_000,
      killSignal: "SIGKILL"
    }
  )
  try {
    const running = new Running(child)
    await act(running)
    child.kill("SIGTERM")
    await once(child, "close")
    return running.text
  } finally {
    child.kill("SIGKILL")
    rmSync(folder, { recursive: true, force: true })
  }
}

class Running {
  readonly child: ChildProcess
  text = ""
  private readonly looks = new Set<() => void>()

  constructor(child: ChildProcess) {
    this.child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.text += text
        for (const look of this.looks) look()
      })
    }
  }

  at(found: RegExp): Promise<number> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!found.test(this.text)) return
        this.looks.delete(look)
        resolve(now())
      }
      this.looks.add(look)
      look()
      this.child.once("close", () => reject(new Error(`ended without ${found}:\n${this.text}`)))
    })
  }
}

describe("the gateway under its watchdog", () => {
  it("is told while a task blocks its loop, by name, and goes on; SIGQUIT dumps within a second [D6] [D7]", async () => {
    const text = await gateway("block", async (running) => {
      const told = await running.at(
        /watchdog: event loop "main" blocked for .* by task "planted block" \(Maintenance #1\)/
      )
      const turned = await running.at(/event loop "main" turns again/)
      // It held the loop for three seconds, and was named after one.
      assert.isAbove(turned - told, 500)
      const asked = now()
      running.child.kill("SIGQUIT")
      assert.isBelow((await running.at(/asked for by signal/)) - asked, 1000)
      await running.at(/asked for by signal[^]*=== end of dump ===/)
    })
    for (const part of [
      'inside "sorting everything" for',
      "RUNNING NOW",
      '"aggregate" [thread 0]',
      /"events": claimed 0 \(capacity \d+\)/,
      "gateway: running, not stopping"
    ]) {
      if (typeof part === "string") assert.include(text, part)
      else assert.match(text, part)
    }
  }, 60_000)

  it("is not told of a task that takes as long and has announced it [D7]", async () => {
    const text = await gateway("long", async (running) => {
      await running.at(/planted long: done/)
      running.child.kill("SIGQUIT")
      await running.at(/asked for by signal[^]*=== end of dump ===/)
    })
    assert.include(text, '"planted long"')
    // A busy machine may block the loop in earnest meanwhile; the announced task is not what is told.
    assert.notMatch(text, /selvedge watchdog: .*planted long/)
  }, 60_000)
})
