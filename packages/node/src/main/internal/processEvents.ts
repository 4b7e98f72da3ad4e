/**
 * Events of a process in the order they arrived, with a bound on how many.
 *
 * Whoever reads is slower than whoever writes can be, and an error may be caused by the handling of an error: stdout is
 * a closed pipe, the log line about that goes to stdout. So the box keeps little, and no more than means anything.
 *
 * **Invariants**
 *
 * 1. Of one signal at most `SIGNALS_PENDING` wait: the third SIGTERM already ends the process at once, and a SIGHUP or
 *    SIGQUIT that has not been handled yet says the same as the next one.
 * 2. At most `ERRORS_DELIVERED` errors are delivered in the life of a box; the first already stops the service. Later
 *    ones are counted, so a loop of failing reports ends.
 * 3. What is added to the emitter is what is removed.
 *
 * @internal
 */
import * as Signals from "@selvedge/core/service/Signals"

export const SIGNALS_PENDING = 3
export const ERRORS_DELIVERED = 16

/** The part of `process` that is listened to. */
export interface Emitter {
  on(event: string, listener: (...args: ReadonlyArray<unknown>) => void): unknown
  off(event: string, listener: (...args: ReadonlyArray<unknown>) => void): unknown
}

export interface Box {
  /** The oldest event, removed. */
  readonly shift: () => Signals.Event | undefined
  /** How many errors and signals fell under a bound. */
  readonly suppressed: () => number
  readonly detach: () => void
}

const signalNames: ReadonlyArray<Signals.SignalName> = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]
const origins: ReadonlyArray<Signals.UncaughtOrigin> = ["uncaughtException", "unhandledRejection"]

export const attach = (emitter: Emitter, onEvent: () => void): Box => {
  const waiting: Array<Signals.Event> = []
  let errors = 0
  let suppressed = 0

  const push = (event: Signals.Event, allowed: boolean): void => {
    if (!allowed) {
      suppressed += 1
      return
    }
    waiting.push(event)
    onEvent()
  }

  const onSignal = (name: Signals.SignalName) => () => {
    const same = waiting.filter((event) => event._tag === "Signal" && event.name === name).length
    push(Signals.Event.Signal({ name }), same < SIGNALS_PENDING)
  }
  const onError = (origin: Signals.UncaughtOrigin) => (error: unknown) => {
    errors += 1
    push(Signals.Event.Uncaught({ origin, error }), errors <= ERRORS_DELIVERED)
  }

  const listeners = [
    ...signalNames.map((name) => [name, onSignal(name)] as const),
    ...origins.map((origin) => [origin, onError(origin)] as const)
  ]
  for (const [event, listener] of listeners) emitter.on(event, listener)

  return {
    shift: () => waiting.shift(),
    suppressed: () => suppressed,
    detach: () => {
      for (const [event, listener] of listeners) emitter.off(event, listener)
    }
  }
}
