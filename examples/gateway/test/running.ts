/**
 * The gateway with something planted, and its scripts, as processes of their own.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const now = (): number => Number(process.hrtime.bigint() / 1_000_000n)

/** Starts the gateway with a plant; `at` waits for a text on stderr or stdout, and says when it came. */
export const gateway = async (plant: string, act: (running: Running) => Promise<void>): Promise<string> => {
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
      timeout: 280_000,
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

export class Running {
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

/** Runs a script of the gateway's folder to its end, which has to be a good one; what its last line says. */
export const report = async (name: string, args: ReadonlyArray<string>) => {
  const script = new URL(`../${name}.ts`, import.meta.url).pathname
  const child = spawn(process.execPath, ["--conditions=@selvedge/source", "--no-warnings", script, ...args], {
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  child.stdout.on("data", (text) => (output += String(text)))
  child.stderr.on("data", (text) => (output += String(text)))
  const code = await new Promise((resolve) => child.once("exit", resolve))
  if (code !== 0) throw new Error(`${name} ended with ${String(code)}:\n${output}`)
  return JSON.parse(output.trim().split("\n").at(-1)!)
}
