/**
 * Owners of the space as processes, one after the other: the next one is warm before this one is killed.
 *
 * @internal
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { createInterface } from "node:readline"

class Owner {
  private readonly process: ChildProcess
  private readonly lines: Array<string> = []
  private wake: (() => void) | undefined
  private readonly ended: Promise<unknown>
  private stderr = ""

  constructor(args: ReadonlyArray<string>) {
    const file = new URL("./spaceOwner.ts", import.meta.url).pathname
    const cache = process.env["NODE_COMPILE_CACHE"] ?? path.join(tmpdir(), "selvedge-compile-cache")
    const child = spawn(process.execPath, ["--conditions=@selvedge/source", "--no-warnings", file, ...args], {
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
      stdio: ["pipe", "pipe", "pipe"]
    })
    this.process = child
    this.ended = once(child, "close").then(() => this.wake?.())
    child.stdin.on("error", () => undefined)
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text))
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.lines.push(line)
      this.wake?.()
    })
  }

  /** Waits for a line; rejects with what was said instead. */
  async until(tag: string): Promise<void> {
    while (!this.lines.some((line) => line.includes(`"${tag}"`))) {
      if (this.process.exitCode !== null) throw new Error(`an owner ended: ${this.lines.join(" ")} ${this.stderr}`)
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }

  go(): void {
    this.process.stdin?.write("go\n")
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL")
    await this.ended
  }
}

export class Owners {
  private readonly args: ReadonlyArray<string>
  private present: Owner | undefined
  private next: Owner

  constructor({ directory, name }: { readonly directory: string; readonly name: string }, recovery: boolean) {
    this.args = [directory, name, recovery ? "on" : "off"]
    this.next = new Owner(this.args)
  }

  /** Kills the owner there is; resolves when the next one owns. */
  async replace(): Promise<void> {
    const { next } = this
    await next.until("Warm")
    await this.present?.kill()
    this.present = next
    this.next = new Owner(this.args)
    next.go()
    await next.until("Owns")
  }

  async end(): Promise<void> {
    await Promise.all([this.present?.kill(), this.next.kill()])
  }
}
