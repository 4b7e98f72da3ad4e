/**
 * What operator signals and uncaught errors mean. The table is in docs/shutdown.md.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Dump from "../../inspection/Dump.ts"
import { DumpJson } from "../../inspection/DumpSchema.ts"
import * as DumpText from "../../inspection/DumpText.ts"
import * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import * as Signals from "../Signals.ts"
import type { Life } from "./life.ts"

/** How many errors after the first are logged: an error whose logging fails again must not go round for ever. */
const LOGGED_ERRORS = 10

/**
 * A supervisor may send SIGTERM and SIGHUP in one go, and a system hands over the lower number first: a SIGTERM that
 * comes so soon after a SIGHUP is the same request, not a second one.
 */
const TOGETHER_NANOS = 100_000_000n

export interface Handlers {
  readonly hasReload: boolean
  readonly dumpFormat: "text" | "json"
  /** The third signal: the process is to end now. */
  readonly exitNow: (signal: string) => void
}

/** A line that cannot be written must not make anybody deaf to signals. */
const say = (line: Effect.Effect<void>): Effect.Effect<void> => Effect.ignoreCause(line)

const encode = Schema.encodeSync(DumpJson)

const dump = (life: Life, format: Handlers["dumpFormat"]): Effect.Effect<void> =>
  Dump.capture({ occasion: "signal" }).pipe(
    Effect.provideContext(life.inspected),
    Effect.flatMap((found) => Console.error(format === "json" ? encode(found) : DumpText.render(found).trimEnd()))
  )

/** Takes events until it is interrupted. */
export const listen = (life: Life, handlers: Handlers): Effect.Effect<never> => {
  let stops = 0
  let uncaught = 0
  /** Until when the next stop belongs to the SIGHUP that began the plan. */
  let togetherUntil: bigint | undefined

  const onStop = (name: Signals.SignalName): Effect.Effect<void> => {
    const together = togetherUntil !== undefined && life.nowNanos() < togetherUntil
    togetherUntil = undefined
    if (together) return say(Effect.logInfo(`${name}: came together with SIGHUP; send it again to force`))
    stops++
    if (stops === 1) {
      const first = life.root.requestUnsafe(ShutdownReason.Signal({ signal: name }))
      return first ? Effect.void : say(Effect.logInfo(`${name}: already stopping; send it again to force`))
    }
    life.forcedBy = name
    if (stops > 2) return Effect.sync(() => handlers.exitNow(name))
    // Said before it takes hold, because forcing runs what waits for it on the spot.
    return Effect.andThen(
      say(Effect.logWarning(`${name} again: forced to stop; a third one ends the process at once`)),
      Effect.sync(() => void life.root.forceUnsafe(ShutdownReason.Signal({ signal: name })))
    )
  }

  const onHangup = (): Effect.Effect<void> => {
    if (life.reason !== undefined) return say(Effect.logInfo("SIGHUP: already stopping; nothing to do"))
    if (handlers.hasReload) return say(Effect.logInfo(life.reload.request()))
    stops = Math.max(stops, 1)
    togetherUntil = life.nowNanos() + TOGETHER_NANOS
    life.root.requestUnsafe(ShutdownReason.Signal({ signal: "SIGHUP" }))
    return Effect.void
  }

  const onUncaught = (origin: Signals.UncaughtOrigin, error: unknown): Effect.Effect<void> => {
    const cause = Cause.die(error)
    uncaught++
    if (life.reason === undefined) {
      // Said first: a request runs what waits for it on the spot, and that may be the whole of the shutdown.
      return Effect.andThen(
        say(Effect.logError(origin, cause)),
        Effect.sync(() => void life.root.requestUnsafe(ShutdownReason.Fatal({ origin, cause })))
      )
    }
    return Effect.sync(() => {
      if (uncaught <= LOGGED_ERRORS) life.fault(undefined, origin, cause)
      else life.suppressed++
    })
  }

  return Effect.forever(
    Effect.flatMap(Signals.Signals, (source) =>
      Effect.flatMap(
        source.take,
        Signals.Event.$match({
          Signal: ({ name }) => {
            // Beside: a source that takes its time must not make anybody deaf to the next signal.
            if (name === "SIGQUIT") return Effect.sync(() => life.log(dump(life, handlers.dumpFormat)))
            return name === "SIGHUP" ? onHangup() : onStop(name)
          },
          Uncaught: ({ error, origin }) => onUncaught(origin, error)
        })
      )
    )
  )
}
