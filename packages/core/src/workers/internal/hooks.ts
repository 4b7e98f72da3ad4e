/**
 * The calls into a container's policy: told of things, or asked for a decision.
 *
 * **Invariants**
 *
 * 1. A hook runs in a fiber of its own; what it throws is logged and changes nothing.
 * 2. Of what one worker says while the hook still hears what it said before, the last of each kind waits: however much a worker
 *    says and however long the hook takes, there is one fiber for it, and it hears the newest last.
 * 3. A decision that does not come in time, or is none of those there are, is the default, also where the hook cannot be
 *    interrupted.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Failure from "../../internal/failure.ts"
import { quote } from "../../internal/quote.ts"
import * as Patience from "./patience.ts"

type Call = () => Effect.Effect<unknown, unknown>

type Run = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

export class Hooks {
  private readonly run: Run
  private readonly running = new Set<Fiber.Fiber<unknown>>()
  /** What waits to be heard, by who said it and then by kind, oldest first; there as long as somebody hears it. */
  private readonly unheard = new WeakMap<object, Map<string, Call>>()

  constructor(run: Run) {
    this.run = run
  }

  tell(name: string, call: Call): void {
    this.track(telling(name, call))
  }

  /** As `tell`, one after the other for each speaker; what waits is replaced by what is newer of its kind. */
  hear(name: string, speaker: object, kind: string, call: Call): void {
    const waiting = this.unheard.get(speaker) ?? new Map<string, Call>()
    waiting.delete(kind)
    waiting.set(kind, call)
    if (this.unheard.has(speaker)) return
    this.unheard.set(speaker, waiting)
    const next = Effect.suspend(() => {
      const [oldest] = waiting
      if (oldest === undefined) return Effect.succeed(this.unheard.delete(speaker))
      waiting.delete(oldest[0])
      return Effect.as(telling(name, oldest[1]), false)
    })
    this.track(Effect.repeat(next, { until: (isDone) => isDone }))
  }

  private track(effect: Effect.Effect<unknown>): void {
    const fiber = this.run(effect)
    this.running.add(fiber)
    fiber.addObserver(() => void this.running.delete(fiber))
  }

  /** What a hook says within its time; the first choice if it says nothing, or something else, or fails. */
  ask<A extends string>(
    name: string,
    call: (() => Effect.Effect<A, unknown>) | undefined,
    choices: readonly [A, A],
    act: (decided: A) => void
  ): void {
    const [fallback] = choices
    if (call === undefined) return act(fallback)
    const asked = Patience.within(Effect.suspend(call), Patience.PATIENCE_MILLIS).pipe(
      Effect.map(Option.getOrElse(() => fallback)),
      Effect.flatMap((said) => (choices.includes(said) ? Effect.succeed(said) : Effect.fail(instead(choices, said)))),
      Effect.catchCause((cause) => Effect.as(Failure.log(`policy hook ${name} failed`, cause), fallback))
    )
    this.run(Effect.map(asked, act))
  }

  /** Waits for those that still run, but not for ever: the container's scope is gone after this. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    const late = Array.from(this.running)
    const waiting = this.run(Effect.timeoutOption(Fiber.awaitAll(late), Patience.PATIENCE_MILLIS))
    return Effect.map(Fiber.await(waiting), () => {
      for (const fiber of late) fiber.interruptUnsafe()
    })
  })
}

const telling = (name: string, call: Call): Effect.Effect<void> =>
  Effect.ignoreCause(Effect.tapCause(Effect.suspend(call), (cause) => Failure.log(`policy hook ${name} failed`, cause)))

/** A hook that was written without types may say anything. */
const instead = (choices: readonly [string, string], said: unknown): string =>
  `wanted ${choices.map(quote).join(" or ")}, found ${typeof said === "string" ? quote(said.slice(0, 64)) : typeof said}`
