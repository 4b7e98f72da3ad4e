/**
 * A child process as the demonstration sees it: what it prints, when it ends and how. It never outlives its scope.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"

/** A step that did not see what it should. */
export class NotSeen extends Data.TaggedError("NotSeen")<{ readonly wanted: string; readonly found: string }> {
  override get message(): string {
    return `wanted ${this.wanted}, found ${this.found}`
  }
}

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  /** Of the monotonic clock, in milliseconds. */
  readonly atMillis: number
}

export interface Child {
  readonly pid: number
  /** Its first error if it printed one, else its last line. */
  readonly lastWord: () => string
  /** Waits until it prints something that matches; fails when it ends before. */
  readonly prints: (pattern: RegExp) => Effect.Effect<RegExpExecArray, NotSeen>
  readonly ended: Effect.Effect<Ended>
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void>
  /** Writes a line to its stdin. */
  readonly tell: (line: string) => Effect.Effect<void>
}

export const nowMillis = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** Starts one of our programs in a process of its own, in the sources, as npm runs us. */
export const start = (
  program: string,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<Ended>()
    const context = yield* Effect.context<never>()
    let printed = ""
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [...process.execArgv, new URL(program, import.meta.url).pathname, ...args], {
          env: { ...process.env, ...env },
          stdio: ["pipe", "pipe", "pipe"]
        })
      ),
      (child) =>
        Effect.suspend(() => {
          if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
          return Effect.timeoutOption(Deferred.await(ended), "2 seconds")
        })
    )
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding("utf8").on("data", (text: string) => (printed += text))
    }
    child.stdin.on("error", () => {})
    child.once("error", () => {})
    child.once("close", (code, signal) =>
      Effect.runForkWith(context)(
        Effect.flatMap(nowMillis, (atMillis) => Deferred.succeed(ended, { code, signal, atMillis }))
      )
    )
    const prints = (pattern: RegExp): Effect.Effect<RegExpExecArray, NotSeen> =>
      Effect.gen(function* () {
        while (true) {
          // Asked before looking, so that what it printed last is seen.
          const isOver = yield* Deferred.isDone(ended)
          const match = pattern.exec(printed)
          if (match !== null) return match
          if (isOver) return yield* new NotSeen({ wanted: `a line like ${pattern}`, found: lastWord(printed) })
          yield* Effect.sleep("20 millis")
        }
      })
    return {
      pid: child.pid ?? 0,
      lastWord: () => lastWord(printed),
      prints,
      ended: Deferred.await(ended),
      signal: (name) => Effect.sync(() => child.kill(name)),
      tell: (line) => Effect.sync(() => void child.stdin.write(`${line}\n`))
    }
  })

const lastWord = (text: string): string => {
  const lines = text
    .trim()
    .split("\n")
    .filter((line) => line !== "")
  return lines.length === 0 ? "nothing" : `${lines.find((line) => line.includes("ERROR")) ?? lines.at(-1)}`
}
