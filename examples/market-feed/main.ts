/**
 * `npm run market-feed -w examples`: the market feed in a terminal.
 *
 * Options: `--seconds N` (5), `--rate N` ticks a second (1 000 000), `--symbols N` (500). Ends with 0 if no symbol's last
 * tick was lost.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import { run } from "./feed.ts"
import type { Quote } from "./Quote.ts"

const ROWS = 12

/** Something on the command line that cannot be used. */
class InvalidArgument extends Data.TaggedError("InvalidArgument")<{ readonly message: string }> {}

const number = (name: string, text: string, most: number): number => {
  const value = Number(text)
  if (!(value > 0 && value <= most)) {
    throw new InvalidArgument({ message: `--${name}: wanted a number above 0 and at most ${most}, found "${text}"` })
  }
  return value
}

const options = Effect.try({
  try: () => {
    const { values } = parseArgs({
      options: {
        seconds: { type: "string", default: "5" },
        rate: { type: "string", default: "1000000" },
        symbols: { type: "string", default: "500" }
      }
    })
    return {
      seconds: number("seconds", values.seconds, 3600),
      ticksPerSecond: number("rate", values.rate, 1e8),
      symbols: Math.ceil(number("symbols", values.symbols, 100_000))
    }
  },
  catch: (error) =>
    error instanceof InvalidArgument
      ? error
      : new InvalidArgument({ message: error instanceof Error ? error.message : String(error) })
})

/** The first rows, drawn over the picture before. */
const draw = (quotes: ReadonlyArray<Readonly<Quote> | undefined>, changed: number): void => {
  if (!process.stdout.isTTY) return
  const rows = quotes.slice(0, ROWS).map((quote, symbol) => {
    const name = `SYM${String(symbol).padStart(4, "0")}`
    return quote === undefined ? name : `${name}  ${quote.price.toFixed(2).padStart(8)}  tick ${quote.tick}`
  })
  const lines = [...rows, `${changed} of ${quotes.length} symbols changed`]
  process.stdout.write(`${lines.map((line) => `\u001b[2K${line}`).join("\n")}\n\u001b[${lines.length}A`)
}

const program = Effect.gen(function* () {
  const chosen = yield* options
  const result = yield* run({ ...chosen, draw })
  if (process.stdout.isTTY) process.stdout.write("\u001b[J")
  yield* Console.log(
    [
      `ticks in         ${result.ticksIn} (${Math.round(result.ticksIn / chosen.seconds)} a second)`,
      `conflated        ${result.conflated}`,
      `updates out      ${result.updatesOut} in ${result.pictures} pictures`,
      `worst staleness  ${result.worstStalenessMillis.toFixed(1)} ms`,
      `lost             ${result.lost}`
    ].join("\n")
  )
  if (result.lost > 0) return yield* Effect.fail(new Error(`the last tick of ${result.lost} symbols was lost`))
})

NodeRuntime.runMain(program)
