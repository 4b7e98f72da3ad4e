/**
 * SIGHUP with a reload handler: one reload at a time, and a request during one makes one more.
 *
 * **States**
 *
 * ```text
 *   idle ──request──▶ running ──request──▶ running, once more
 *    ▲ ◀────end─────────┘  ▲ ◀──────end──────┘
 *   starting: a request waits for the service to run
 * ```
 *
 * Once the service has been asked to stop no reload begins; one that runs is a piece of work like `run`: it is told by
 * the token, waited for, and interrupted at the tasks' deadline.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Failure from "../../internal/failure.ts"

export interface Options {
  readonly context: Context.Context<never>
  readonly isStopping: () => boolean
  /** One begins or has ended. */
  readonly changed: () => void
}

export class Reload {
  private readonly options: Options
  private handler: Effect.Effect<unknown, unknown> | undefined = undefined
  private asked = false
  /** The reload that runs. */
  fiber: Fiber.Fiber<void> | undefined = undefined
  /** How many have begun, and how many have ended. */
  begun = 0
  ended = 0
  /** Why the last one that ended failed, in one line. */
  failure: string | undefined = undefined

  constructor(options: Options) {
    this.options = options
  }

  /** The service runs; what was asked for before is due. */
  ready(handler: Effect.Effect<unknown, unknown> | undefined): void {
    this.handler = handler
    if (this.asked) this.run()
  }

  /** Somebody asks for a reload; gives what is to be said about it. */
  request(): string {
    if (this.handler === undefined) {
      this.asked = true
      return "SIGHUP: still starting; the reload follows"
    }
    if (this.fiber !== undefined) {
      this.asked = true
      return "SIGHUP: reloading already; once more when that has ended"
    }
    this.run()
    return "SIGHUP: reloading"
  }

  private run(): void {
    this.asked = false
    if (this.handler === undefined || this.options.isStopping()) return
    this.begun++
    this.options.changed()
    const fiber = Effect.runForkWith(this.options.context)(this.once(this.handler))
    this.fiber = fiber
    fiber.addObserver(() => {
      this.fiber = undefined
      this.ended++
      this.options.changed()
      if (this.asked) this.run()
    })
  }

  private told(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    if (Exit.isSuccess(exit)) return Effect.logInfo("reloaded")
    // What it was about to put in place is not wanted any more.
    return this.options.isStopping()
      ? Effect.logInfo(`reload given up, the service stops: ${Failure.oneLine(exit.cause)}`)
      : Failure.log("reload failed; the service goes on as it was", exit.cause)
  }

  private once(handler: Effect.Effect<unknown, unknown>): Effect.Effect<void> {
    return Effect.flatMap(Effect.exit(handler), (exit) => {
      this.failure = Exit.isSuccess(exit) ? undefined : Failure.oneLine(exit.cause)
      return Effect.ignoreCause(this.told(exit))
    })
  }
}
