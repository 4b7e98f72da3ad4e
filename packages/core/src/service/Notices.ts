/**
 * What a service tells whoever started it (a service manager such as systemd): that it is ready, reloads, stops, how it
 * stands, that it lives.
 *
 * `Main` decides what is told and when; a `Recipient` only carries it. The default is nobody. The words are those of
 * sd_notify(3); what is sent in which state, how often, and what an outage does, is drawn in docs/systemd.md.
 *
 * Source: sd_notify(3), sd_watchdog_enabled(3) and systemd.service(5) for the words and their meaning.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/**
 * Who is told. Both functions are plain calls that neither wait nor throw.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recipient {
  /**
   * Hands over one message, such as `["RELOADING=1", "MONOTONIC_USEC=12"]`. `false` if it did not arrive: what still holds is
   * told again a second later.
   */
  readonly send: (lines: ReadonlyArray<string>) => boolean
  /** Microseconds of the clock the recipient compares with: CLOCK_MONOTONIC. */
  readonly monotonicMicrosUnsafe: () => bigint
  /** How long a recipient waits for `WATCHDOG=1` before it acts; undefined if it does not. */
  readonly watchdog: Duration.Duration | undefined
}

/**
 * Who the surrounding service reports to.
 *
 * @category services
 * @since 0.1.0
 */
export const Notices: Context.Reference<Recipient | undefined> = Context.Reference<Recipient | undefined>(
  "@selvedge/core/Notices",
  { defaultValue: () => undefined }
)

/**
 * What the environment says about a watchdog: none for this process, its time, or what is wrong with the variables.
 *
 * **Details**
 *
 * `WATCHDOG_PID` says whom it is for; a watchdog of another process is none.
 *
 * **Example** (Of a unit with `WatchdogSec=30`)
 *
 * ```ts
 * import { Notices } from "@selvedge/core"
 *
 * Notices.watchdogOf({ usec: "30000000", watchdogPid: "4711", pid: 4711 }) // { watchdog: Duration 30s }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const watchdogOf = (found: {
  readonly usec: string | undefined
  readonly watchdogPid: string | undefined
  readonly pid: number
}): { readonly watchdog: Duration.Duration | undefined; readonly problem?: string } => {
  const { pid, usec, watchdogPid } = found
  if (usec === undefined || usec === "") return { watchdog: undefined }
  if (watchdogPid !== undefined && watchdogPid !== "") {
    const number = natural(watchdogPid)
    if (Option.isNone(number)) return off("WATCHDOG_PID: wanted the id of a process", watchdogPid)
    if (number.value !== pid) return { watchdog: undefined }
  }
  const micros = natural(usec)
  return Option.isNone(micros) || micros.value < 1000
    ? off("WATCHDOG_USEC: wanted 1000 to 999999999999999 microseconds as a whole number", usec)
    : { watchdog: Duration.micros(BigInt(micros.value)) }
}

const off = (wanted: string, found: string) => ({
  watchdog: undefined,
  problem: `${wanted}, found ${JSON.stringify(found)}: no signs of life are sent`
})

const natural = (text: string): Option.Option<number> => {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(number) ? Option.some(number) : Option.none()
}
