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
}

export class Reload {
  private readonly options: Options
  private handler: Effect.Effect<unknown, unknown> | undefined = undefined
  private asked = false
  /** The reload that runs. */
  fiber: Fiber.Fiber<void> | undefined = undefined

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
    const fiber = Effect.runForkWith(this.options.context)(once(this.handler))
    this.fiber = fiber
    fiber.addObserver(() => {
      this.fiber = undefined
      if (this.asked) this.run()
    })
  }
}

const once = (handler: Effect.Effect<unknown, unknown>): Effect.Effect<void> =>
  Effect.flatMap(Effect.exit(handler), (exit) =>
    Effect.ignoreCause(
      Exit.isSuccess(exit)
        ? Effect.logInfo("reloaded")
        : Failure.log("reload failed; the service goes on as it was", exit.cause)
    )
  )
