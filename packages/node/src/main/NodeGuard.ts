/**
 * The guard of a Node process: a thread that ends it when its event loop no longer can.
 *
 * Implements `Guard` of `@selvedge/core`. The thread sleeps on a word of shared memory that holds the deadline, costs no
 * processor time while it does, and does not keep the process alive. What it does when the deadline D has passed:
 *
 * | when | what | for whom |
 * | --- | --- | --- |
 * | D to D + 100 ms | waits; a deadline that is moved now is still obeyed | a main thread that is just about done |
 * | D + 100 ms | writes the last report to stderr | |
 * | right after | runs `process.exit(code)` in the main thread, through the inspector | a loop that never yields |
 * | D + 400 ms | SIGKILL (137 in a shell) | native code, an `exit` handler that hangs |
 *
 * **Gotchas**
 *
 * - Close the guard as late as possible, or never: `process.exit` runs `exit` handlers, and they can hang too. A process
 *   that ends takes its guard with it.
 * - The exit code is set by `process.execve` of a program that only exits (`/bin/sh`, else Node itself), because Node's
 *   own exit first waits for the thread pool and for native code of other workers, and stops the guard before it does.
 *   Where there is no `execve` (Windows, `--permission`) Node's own exit has to do and may wait for them.
 * - A main thread that is paused in a debugger is a main thread that does not end.
 * - Older versions of Node add a line of their own when the guard acts: "Waiting for the debugger to disconnect...".
 * - Where the thread cannot start (`--permission` without `--allow-worker`, a worker thread, no memory) there is one
 *   warning and no guard. Without an inspector (or `--permission` without `--allow-inspector`) only the SIGKILL is left, which is said once at the start.
 *
 * @since 0.1.0
 */
import * as Guard from "@selvedge/core/service/Guard"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Worker } from "node:worker_threads"
import { isMainThread } from "node:worker_threads"
import * as GuardMemory from "./internal/guardMemory.ts"
import { type Abilities, abilities as abilitiesOf } from "./internal/leaveProcess.ts"
import { startThread } from "./internal/startThread.ts"

/**
 * A running guard.
 *
 * @category models
 * @since 0.1.0
 */
export interface NodeGuard extends Guard.GuardShape {
  /** Forgets the deadline; a later `update` arms the guard again. */
  readonly disarmUnsafe: () => void
  /** Ends the thread. Nothing arms a closed guard again; closing twice is harmless. */
  readonly closeUnsafe: () => void
}

/**
 * What a guard needs to know of its surroundings.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Reads the clock that deadlines are measured by, in nanoseconds. */
  readonly nowNanos: () => bigint
  /** Called once at most, with one line, when there is no guard or only half of one. */
  readonly onWarning: (message: string) => void
}

/**
 * Starts a guard now, for code that lives longer than any scope: the function that ends the process.
 *
 * Never throws. Give `update` exit codes from 0 to 255; the operating system sees only the lowest eight bits of others.
 *
 * **Example** (A deadline of a second)
 *
 * ```ts
 * import { makeUnsafe } from "@selvedge/node/main/NodeGuard"
 *
 * const guard = makeUnsafe({ nowNanos: process.hrtime.bigint, onWarning: console.warn })
 * guard.update({ deadlineNanos: process.hrtime.bigint() + 1_000_000_000n, exitCode: 124, report: "still busy" })
 * guard.closeUnsafe()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (options: Options): NodeGuard => {
  const memory = GuardMemory.make()
  let closed = false
  let warned = false
  const warn = (message: string): void => {
    if (warned || closed) return
    warned = true
    options.onWarning(message)
  }
  watchThread(memory, warn)
  // Both clocks are monotonic. One difference for all, so that equal deadlines stay equal.
  const offset = GuardMemory.now() - options.nowNanos()
  return {
    update: ({ deadlineNanos, exitCode, report }) => {
      if (closed) return
      const deadline = deadlineNanos + offset
      GuardMemory.write(memory, { deadline, exitCode: exitCode & 255 }, report)
    },
    disarmUnsafe: () => {
      if (!closed) GuardMemory.write(memory, { deadline: GuardMemory.NEVER, exitCode: 0 }, "")
    },
    closeUnsafe: () => {
      if (closed) return
      closed = true
      GuardMemory.close(memory)
    }
  }
}

/**
 * Starts a guard that is closed with the scope, and warns through the logger.
 *
 * **Errors**: none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<NodeGuard, never, Scope.Scope> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  return yield* Effect.acquireRelease(
    Effect.sync(() =>
      makeUnsafe({
        nowNanos: () => clock.monotonicTimeNanosUnsafe(),
        onWarning: (message) => void Effect.runForkWith(context)(Effect.logWarning(message))
      })
    ),
    (guard) => Effect.sync(guard.closeUnsafe)
  )
})

/**
 * Provides the guard to `Main`, for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = Layer.effect(Guard.Guard, make)

/**
 * What this process can do to end itself. Ask in the main thread: a worker gets other answers.
 *
 * @category models
 * @since 0.1.0
 */
export type { Abilities }

/**
 * @category operations
 * @since 0.1.0
 */
export const abilities: () => Abilities = abilitiesOf

/**
 * Ends the process from a thread beside the main one, as a guard does whose deadline has passed: for a watchdog that was
 * told to. Returns at once.
 *
 * @category operations
 * @since 0.1.0
 */
export const endFromThreadUnsafe = (options: {
  readonly exitCode: number
  readonly report: string
  readonly abilities: Abilities
}): void => {
  const memory = GuardMemory.make()
  GuardMemory.write(memory, { deadline: GuardMemory.now(), exitCode: options.exitCode & 255 }, options.report)
  startThread("guardThread", { buffer: memory.buffer, abilities: options.abilities })
}

const watchThread = (memory: GuardMemory.Memory, warn: (message: string) => void): void => {
  if (!isMainThread) {
    warn("no guard thread: a worker thread cannot end the process, its parent has to")
    return
  }
  const none = "no guard thread: a blocked event loop will not be ended at the deadline"
  const abilities = abilitiesOf()
  let worker: Worker
  try {
    worker = startThread("guardThread", { buffer: memory.buffer, abilities })
  } catch (error) {
    warn(`${none} (${describe(error)})`)
    return
  }
  worker.on("error", (error) => warn(`${none} (${describe(error)})`))
  worker.on("exit", (code) => warn(`${none} (the thread ended with code ${code})`))
  if (!abilities.inspector) {
    warn(
      "this Node has no inspector, or does not permit it: a blocked event loop will be ended by SIGKILL only, without an exit code"
    )
  }
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error))
