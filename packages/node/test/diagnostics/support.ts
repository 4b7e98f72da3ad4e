/**
 * Runs the watched service and sees it from outside: what stands on stderr, and when.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Hearing } from "../hearing.ts"

export interface Heard {
  /** Milliseconds since `ready`. */
  readonly at: number
  readonly text: string
}

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  readonly heard: ReadonlyArray<Heard>
}

export interface Running {
  readonly pid: number
  /** Waits until a text stands on stderr or stdout. */
  readonly says: (text: string) => Promise<void>
  readonly kill: (name: NodeJS.Signals) => void
  readonly soFar: () => string
}

const program = new URL("./fixtures/watched.ts", import.meta.url).pathname

export const now = (): number => Number(process.hrtime.bigint() / 1_000_000n)

export const watched = async (
  scenario: string,
  options: {
    readonly argument?: string
    readonly env?: Readonly<Record<string, string>>
    readonly act?: (running: Running) => Promise<void> | void
  } = {}
): Promise<Ended> => {
  const child = spawn(process.execPath, ["--conditions=@selvedge/source", program, scenario, options.argument ?? ""], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    timeout: 30_000,
    killSignal: "SIGKILL"
  })
  let began = now()
  const heard: Array<Heard> = []
  const closed = once(child, "close")
  const hearing = new Hearing(child, closed, (stream, text) => {
    if (stream === "stderr") heard.push({ at: now() - began, text })
    else if (hearing.stdout === "") began = now()
  })
  const { says } = hearing
  await says("ready").catch(() => {})
  await options.act?.({
    pid: child.pid ?? 0,
    says,
    kill: (name) => void child.kill(name),
    soFar: () => hearing.stdout + hearing.stderr
  })
  const [code, signal]: ReadonlyArray<unknown> = await closed
  return {
    code: typeof code === "number" ? code : null,
    signal: typeof signal === "string" ? signal : null,
    stdout: hearing.stdout,
    stderr: hearing.stderr,
    heard
  }
}

export const count = (text: string, part: string): number => text.split(part).length - 1
