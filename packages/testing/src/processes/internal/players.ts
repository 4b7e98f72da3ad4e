/**
 * Processes that play the threads of a model: some are started ahead, so that a kill does not wait for a start.
 *
 * @internal
 */
import { type ChildProcess, fork } from "node:child_process"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import type { Order, Place, Said } from "./orders.ts"

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
const entry = fileURLToPath(new URL(`./threadProcess.${extension}`, import.meta.url))

export class Player {
  readonly ended: Promise<void>
  private readonly process: ChildProcess
  private readonly heard: Array<Said | undefined> = []
  private listener: (() => void) | undefined
  private stderr = ""

  constructor(execArgv: ReadonlyArray<string>) {
    // Most of a start is the compiling of sources.
    const cache = process.env["NODE_COMPILE_CACHE"] ?? path.join(tmpdir(), "selvedge-compile-cache")
    this.process = fork(entry, {
      execArgv: [...execArgv],
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"]
    })
    this.process.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text))
    this.process.on("message", (said: Said) => this.hear(said))
    // It cannot be told anything any more: its end says so.
    this.process.on("error", () => undefined)
    this.ended = new Promise((resolve) => this.process.once("close", () => resolve()))
    void this.ended.then(() => this.hear(undefined))
  }

  private hear(said: Said | undefined): void {
    this.heard.push(said)
    this.listener?.()
  }

  tell(order: Order): void {
    this.process.send(order, () => undefined)
  }

  /** What it says next; `undefined` when it has ended; `"silent"` when there is nothing for so long. */
  next(millis: number): Promise<Said | undefined | "silent"> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.heard.length === 0) return
        clearTimeout(timer)
        this.listener = undefined
        resolve(this.heard.shift())
      }
      const timer = setTimeout(() => {
        this.listener = undefined
        resolve("silent")
      }, millis)
      this.listener = look
      look()
    })
  }

  kill(): void {
    this.process.kill("SIGKILL")
  }

  /** The last it wrote to its standard error. */
  get lastWords(): string {
    return this.stderr.trim().split("\n").slice(-3).join(" ")
  }
}

/** How many are started ahead. */
const SPARES = 2

/** A busy machine takes its time to start one. */
const START_MILLIS = 60_000

export class Players {
  private readonly all = new Set<Player>()
  private readonly spares: Array<Player> = []
  private readonly place: Place
  private readonly execArgv: ReadonlyArray<string>

  constructor(place: Place, execArgv: ReadonlyArray<string>) {
    this.place = place
    this.execArgv = execArgv
    for (let i = 0; i < SPARES; i++) this.start()
  }

  private start(): void {
    const player = new Player(this.execArgv)
    this.all.add(player)
    void player.ended.then(() => this.all.delete(player))
    player.tell({ _tag: "Join", ...this.place })
    this.spares.push(player)
  }

  /** One that has joined; why not, if it could not. */
  async take(): Promise<Player | string> {
    this.start()
    const player = this.spares.shift()!
    const said = await player.next(START_MILLIS)
    if (said === "silent") return `a process did not join within ${START_MILLIS / 1000} s`
    if (said?._tag === "Joined") return player
    return said?._tag === "Unfit" ? said.message : `a process ended before it joined: ${player.lastWords}`
  }

  async end(): Promise<void> {
    const ends = Array.from(this.all, (player) => player.ended)
    for (const player of this.all) player.kill()
    await Promise.all(ends)
  }
}
