/**
 * Runs the watched service and sees it from outside: what stands on stderr. What holds its loop does so until the test lets it go.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Hearing, LONGEST_MILLIS } from "../hearing.ts"

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly pid: number
  /** Waits until a text stands on stderr or stdout. */
  readonly says: (text: string | RegExp) => Promise<void>
  readonly kill: (name: NodeJS.Signals) => void
  /** Lets what holds a loop go. */
  readonly release: () => void
  readonly soFar: () => string
}

const program = new URL("./fixtures/watched.ts", import.meta.url).pathname

export const watched = async (
  scenario: string,
  options: {
    readonly argument?: string
    readonly env?: Readonly<Record<string, string>>
    readonly act?: (running: Running) => Promise<void> | void
  } = {}
): Promise<Ended> => {
  const folder = mkdtempSync(join(tmpdir(), "selvedge-watched-"))
  const released = join(folder, "released")
  const child = spawn(process.execPath, ["--conditions=@selvedge/source", program, scenario, options.argument ?? ""], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, RELEASED: released, ...options.env },
    timeout: LONGEST_MILLIS,
    killSignal: "SIGKILL"
  })
  const closed = once(child, "close")
  const hearing = new Hearing(child, closed)
  const { says } = hearing
  try {
    await says("ready").catch(() => {})
    await options.act?.({
      pid: child.pid ?? 0,
      says,
      kill: (name) => void child.kill(name),
      release: () => writeFileSync(released, ""),
      soFar: () => hearing.stdout + hearing.stderr
    })
    const [code, signal]: ReadonlyArray<unknown> = await closed
    return {
      code: typeof code === "number" ? code : null,
      signal: typeof signal === "string" ? signal : null,
      stdout: hearing.stdout,
      stderr: hearing.stderr
    }
  } finally {
    child.kill("SIGKILL")
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Waits until a culprit is told with a dump, lets it go, waits until that is told too, and ends the service. */
export const untilTold =
  (culprit: RegExp) =>
  async ({ kill, release, says }: Running): Promise<void> => {
    await says(new RegExp(`${culprit.source}[^]*=== end of dump ===`))
    release()
    await says("turns again")
    kill("SIGTERM")
  }

export const count = (text: string, part: string): number => text.split(part).length - 1
