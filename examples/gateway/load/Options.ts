/**
 * The command line of the load: how fast, how much and how long, all bounded.
 */
import { Setting } from "@selvedge/core"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import { parseArgs } from "node:util"

const declared = {
  rate: Setting.integer("GATEWAY_LOAD_RATE", "--rate", { default: 200, min: 1, max: 100_000 }),
  count: Setting.integer("GATEWAY_LOAD_COUNT", "--count", { default: 100_000, min: 1, max: 1e8 }),
  seconds: Setting.integer("GATEWAY_LOAD_SECONDS", "--seconds", { default: 60, min: 1, max: 86_400 }),
  batch: Setting.integer("GATEWAY_LOAD_BATCH", "--batch", { default: 20, min: 1, max: 10_000 }),
  port: Setting.integer("GATEWAY_PORT", "--port", { default: 8080, min: 1, max: 65_535 })
} as const

export const usage = `usage: npm run gateway:load -- [options] [FILE | -]

Sends the lines of a log to the gateway: FILE, stdin (-), or a log of this machine.

  --url URL        where the gateway listens (default http://127.0.0.1:$GATEWAY_PORT, or 8080)
  --rate N         events a second, ${declared.rate.allowed} (default ${declared.rate.fallback})
  --batch N        events a request, ${declared.batch.allowed} (default ${declared.batch.fallback})
  --count N        at most so many events (default ${declared.count.fallback})
  --seconds N      at most so long (default ${declared.seconds.fallback})
  --repeat         begin the log again at its end
  --fallback FILE  what to send if this machine keeps no log
`

export class BadArguments extends Data.TaggedError("BadArguments")<{ readonly why: string }> {
  override get message(): string {
    return `${this.why} (--help tells what there is)`
  }
}

const parse = (args: ReadonlyArray<string>) =>
  parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      url: { type: "string" },
      rate: { type: "string" },
      batch: { type: "string" },
      count: { type: "string" },
      seconds: { type: "string" },
      repeat: { type: "boolean", default: false },
      fallback: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })

/** Paths are meant from where the user stands, which npm remembers. */
const fromHere = (path: string): string => Path.resolve(process.env["INIT_CWD"] ?? ".", path)

export const make = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const { positionals, values } = yield* Effect.try({
    try: () => parse(args),
    catch: (error) =>
      new BadArguments({ why: (error instanceof Error ? error.message : String(error)).split(". To specify")[0]! })
  })
  if (positionals.length > 1)
    return yield* new BadArguments({ why: `wanted one file, found ${positionals.join(", ")}` })
  const number = (setting: Setting.Setting<number>, flag: string | undefined) =>
    flag === undefined ? setting.resolve(undefined) : setting.check(flag)
  const url = values.url ?? `http://127.0.0.1:${yield* declared.port.resolve(undefined)}`
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    return yield* new BadArguments({
      why: `--url: wanted one like http://127.0.0.1:8080, found ${JSON.stringify(url)}`
    })
  }
  const [file] = positionals
  return {
    help: values.help,
    url,
    rate: yield* number(declared.rate, values.rate),
    batch: yield* number(declared.batch, values.batch),
    count: yield* number(declared.count, values.count),
    seconds: yield* number(declared.seconds, values.seconds),
    repeat: values.repeat,
    file: file === undefined || file === "-" ? file : fromHere(file),
    fallback: values.fallback === undefined ? undefined : fromHere(values.fallback)
  }
})

export type Options = Effect.Success<ReturnType<typeof make>>
