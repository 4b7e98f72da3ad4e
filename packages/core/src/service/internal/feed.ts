/**
 * What a life tells the counters and the flight recorder, where they are in the surrounding context: that it was asked to stop, each phase,
 * the force, and what it came to.
 *
 * Nothing here throws, waits, or changes what becomes of the life.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import { Counter } from "../../diagnostics/Counter.ts"
import { type CounterId, ids } from "../../diagnostics/CounterId.ts"
import { Counters } from "../../diagnostics/Counters.ts"
import { FlightRecorder } from "../../diagnostics/FlightRecorder.ts"
import type { ShutdownReport } from "../../shutdown/ShutdownReport.ts"

export interface Feed {
  readonly requested: (reason: string) => void
  readonly phase: (name: string) => void
  readonly forced: () => void
  readonly finished: (report: ShutdownReport) => void
}

export const make = (context: Context.Context<never>, clock: Clock.Clock): Feed => {
  const counters = Option.getOrUndefined(Context.getOption(context, Counters))
  const recorder = Option.getOrUndefined(Context.getOption(context, FlightRecorder))
  /** Registered when it is first wanted: a service that never stops has no such series. A table that is full counts nothing. */
  const counter = (id: CounterId, tell: (found: Counter) => void): void => {
    const found = counters?.registerUnsafe(id)
    if (found instanceof Counter) tell(found)
  }
  const note = (what: string, text: string): void => {
    if (recorder?.isEnabled === true) recorder.recordUnsafe(what, 0, text, clock.currentTimeMillisUnsafe())
  }
  return {
    requested: (reason) => {
      counter(ids.shutdownsRequested, (found) => found.addUnsafe(1))
      note("shutdown.requested", reason)
    },
    phase: (name) => note("shutdown.phase", name),
    forced: () => {
      counter(ids.shutdownsForced, (found) => found.addUnsafe(1))
      note("shutdown.forced", "")
    },
    finished: ({ durationMillis, exitCode, leftBehind }) => {
      counter(ids.shutdownLeftBehind, (found) => found.addUnsafe(leftBehind.length))
      counter(ids.shutdownMillis, (found) => found.setUnsafe(Math.round(durationMillis)))
      note("service.stopped", `exit code ${exitCode}`)
    }
  }
}
