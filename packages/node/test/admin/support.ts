/**
 * A listener in Python's standard library, and a service in a process of its own.
 *
 * Python on purpose: what it understands of a datagram, nobody here wrote. Without python3 a listener of our own takes its place, and
 * that is said loudly.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { LONGEST_MILLIS } from "../hearing.ts"

export interface Row {
  /** CLOCK_MONOTONIC, microseconds. */
  readonly at: number
  /** Of the sender, as the kernel says; 0 where the listener cannot ask. */
  readonly pid: number
  readonly lines: ReadonlyArray<string>
}

const fixture = (name: string): string => new URL(`./fixtures/${name}`, import.meta.url).pathname

/** What a child prints, and how to wait for some of it. */
export const watch = (child: ChildProcess) => {
  let text = ""
  const looks = new Set<() => void>()
  const hear = (part: string): void => {
    text += part
    for (const look of Array.from(looks)) look()
  }
  child.stdout?.setEncoding("utf8").on("data", hear)
  child.stderr?.setEncoding("utf8").on("data", hear)
  const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)))
  const until = (what: string, holds: (text: string) => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!holds(text)) return
        looks.delete(look)
        resolve()
      }
      looks.add(look)
      look()
      child.once("error", (error) => reject(new Error(`${what}: ${error.message}`)))
      void ended.then(() => setImmediate(() => reject(new Error(`ended without ${what}:\n${text}`))))
    })
  return { text: () => text, until, ended }
}

export const folder = () => {
  const path = mkdtempSync(join(tmpdir(), "selvedge-notify-"))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

const ours = ["--conditions=@selvedge/source", "--no-warnings"]

/** `python3 listener.py`, or what stands in for it. */
const listener = (): ReadonlyArray<string> => {
  if (spawnSync("python3", ["--version"]).status === 0) return ["python3", fixture("listener.py")]
  console.warn("NO python3 HERE: the listener is one of our own, so these tests show less than they could")
  return [process.execPath, ...ours, fixture("listener.ts")]
}

/** Listens at an address until it is disposed of. */
export const listen = async (address: string, ...flags: ReadonlyArray<string>) => {
  const [program = "", ...args] = listener()
  const child = spawn(program, [...args, address, ...flags], { stdio: ["ignore", "pipe", "pipe"] })
  const seen = watch(child)
  await seen.until("a listener", (text) => text.includes("listening"))
  const rows = (): ReadonlyArray<Row> =>
    seen
      .text()
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as Row)
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL")
    await seen.ended
  }
  return {
    rows,
    stop,
    /** Waits until a line that begins so has come so often. */
    hears: (start: string, times = 1): Promise<void> =>
      seen.until(
        `${times} × ${start}`,
        () => rows().flatMap(({ lines }) => lines.filter((one) => one.startsWith(start))).length >= times
      ),
    [Symbol.asyncDispose]: stop
  }
}

/** Starts the service with some variables. */
export const serve = (env: Readonly<Record<string, string>>, systemd = true) => {
  const child = spawn(process.execPath, [...ours, fixture("notified.ts"), String(systemd)], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
    timeout: LONGEST_MILLIS,
    killSignal: "SIGKILL"
  })
  const seen = watch(child)
  return {
    ...seen,
    pid: child.pid ?? 0,
    kill: (name: NodeJS.Signals) => void child.kill(name),
    tell: (line: string) => void child.stdin.write(line),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await seen.ended
    }
  }
}
