/**
 * Members as processes: some warm, waiting to be told to join, so that a kill does not wait for a start.
 *
 * @internal
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import type { Order, Said } from "./shape.ts"

export class Member {
  readonly process: ChildProcess
  readonly ended: Promise<unknown>
  life = 0
  readyAt = 0
  done: Extract<Said, { readonly _tag: "Done" }> | undefined
  /** What is said; `Warm` and the end are said to `heard` too. */
  private heard: (said: Said | undefined) => void = () => undefined
  stderr = ""

  constructor() {
    const file = new URL("./member.ts", import.meta.url).pathname
    const cache = process.env["NODE_COMPILE_CACHE"] ?? join(tmpdir(), "selvedge-compile-cache")
    const child = spawn(process.execPath, ["--conditions=@selvedge/source", "--no-warnings", file], {
      // Most of a start is the compiling of sources.
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
      stdio: ["pipe", "pipe", "pipe"]
    })
    this.process = child
    this.ended = once(child, "close")
    child.stdin.on("error", () => undefined)
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text))
    createInterface({ input: child.stdout }).on("line", (line) => this.heard(JSON.parse(line) as Said))
    void this.ended.then(() => this.heard(undefined))
  }

  on(heard: (said: Said | undefined) => void): void {
    this.heard = heard
  }

  tell(order: Order): void {
    this.process.stdin?.write(`${JSON.stringify(order)}\n`)
  }

  /** Resolves when the kernel has ended it. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL")
    await this.ended
  }
}

/** Processes that are started ahead. */
export class Spares {
  private readonly spares: Array<Promise<Member>> = []

  constructor(count: number) {
    for (let i = 0; i < count; i++) this.spares.push(Spares.start())
  }

  private static start(): Promise<Member> {
    return new Promise((resolve, reject) => {
      const member = new Member()
      member.on((said) =>
        said?._tag === "Warm" ? resolve(member) : reject(new Error(`a member did not start: ${member.stderr}`))
      )
    })
  }

  take(): Promise<Member> {
    this.spares.push(Spares.start())
    return this.spares.shift()!
  }

  async end(): Promise<void> {
    for (const one of await Promise.allSettled(this.spares)) {
      if (one.status === "fulfilled") await one.value.kill()
    }
  }
}
