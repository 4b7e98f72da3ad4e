/**
 * How many workers a service has when nobody says.
 *
 * First the variable `SELVEDGE_WORKERS`, then what the platform offers. A count given in code is not touched by the variable: it
 * is often a fact (one writer), while the default is a guess about the machine. Core knows no machine: the platform package
 * tells how many threads can run at a time, and without it that is 1.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Setting from "../config/Setting.ts"

/**
 * How many threads the platform can run at a time.
 *
 * @category services
 * @since 0.1.0
 */
export const AvailableParallelism: Context.Reference<number> = Context.Reference<number>(
  "@selvedge/core/AvailableParallelism",
  { defaultValue: () => 1 }
)

/**
 * @category settings
 * @since 0.1.0
 */
export const settings = {
  workers: Setting.integer("SELVEDGE_WORKERS", "count", { default: 1, min: 1, max: 1024 })
} as const

/**
 * The count of a service: as given, else as in the environment, else what the platform offers.
 *
 * **Errors**
 *
 * - `InvalidSetting`: the count, or the variable, is not a whole number from 1 to 1024.
 *
 * @category operations
 * @since 0.1.0
 */
export const count = (given: unknown): Effect.Effect<number, Setting.InvalidSetting> =>
  given !== undefined
    ? checkGiven(given)
    : Effect.flatMap(
        settings.workers.chosen(undefined),
        Option.match({ onSome: Effect.succeed, onNone: () => AvailableParallelism })
      )

/** In the environment a number is a text; in code a text is a mistake. */
const checkGiven = (given: unknown): Effect.Effect<number, Setting.InvalidSetting> => {
  const { allowed, check, option, variable } = settings.workers
  return typeof given === "string"
    ? Effect.fail(new Setting.InvalidSetting({ option, variable, value: JSON.stringify(given), allowed }))
    : check(given)
}
