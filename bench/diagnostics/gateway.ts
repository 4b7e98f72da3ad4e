/**
 * The gateway under requests, with everything that makes it visible and without: processor time per request.
 *
 * Processor time of the whole process, because a watchdog's thread costs where nobody waits for it, and because wall time
 * on a machine that does other things says little about a difference of a percent. Each request is a task: a strand in
 * shared memory, counters, a row in the registry.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync, mkdtempSync, rmSync } from "node:fs"
import { Agent, get } from "node:http"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { check } from "../harness.ts"

const WARM_UP = 3000
const REQUESTS = 15_000
const CONNECTIONS = 8

const main = path.join(import.meta.dirname, "..", "..", "examples", "gateway", "main.ts")

/** What is left when everything is switched off: a table of counters that is full from the start. */
const off = {
  SELVEDGE_WATCHDOG: "off",
  SELVEDGE_STRAND_REGISTRY_SIZE: "0",
  SELVEDGE_FLIGHT_RECORDER_SIZE: "0",
  SELVEDGE_COUNTERS_SIZE: "1"
}

const portOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    let text = ""
    const hear = (chunk: unknown): void => {
      text += String(chunk)
      const port = /listening on http:\/\/[^:]+:(\d+)/.exec(text)?.[1]
      if (port !== undefined) resolve(Number(port))
    }
    child.stdout?.on("data", hear)
    child.stderr?.on("data", hear)
    child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}:\n${text}`)))
  })

const request = (agent: Agent, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    get({ agent, port, host: "127.0.0.1", path: "/top?n=3" }, (response) => {
      check(response.statusCode === 200, `status ${response.statusCode}`)
      response.resume().once("end", resolve)
    }).once("error", reject)
  })

const load = async (agent: Agent, port: number, requests: number): Promise<void> => {
  let left = requests
  const connection = async (): Promise<void> => {
    while (left-- > 0) await request(agent, port)
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, connection))
}

/** Clock ticks of user and system time; there are 100 in a second on every Linux. */
const processorMicros = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

export const micros = async (visible: boolean): Promise<number> => {
  const folder = mkdtempSync(path.join(tmpdir(), "selvedge-bench-"))
  const env = { ...process.env, GATEWAY_PORT: "0", GATEWAY_DB: path.join(folder, "gateway.sqlite") }
  const child = spawn(process.execPath, ["--no-warnings", main], {
    stdio: ["ignore", "pipe", "pipe"],
    env: visible ? env : { ...env, ...off }
  })
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  try {
    const port = await portOf(child)
    await load(agent, port, WARM_UP)
    const before = processorMicros(child.pid ?? 0)
    await load(agent, port, REQUESTS)
    return (processorMicros(child.pid ?? 0) - before) / REQUESTS
  } finally {
    agent.destroy()
    child.kill("SIGKILL")
    rmSync(folder, { recursive: true, force: true })
  }
}
