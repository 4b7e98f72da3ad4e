/**
 * The command line of the probe: everything in it is checked before the first request is made.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"

export const usage = `usage: npm run probe -w examples -- --url URL [options]

Asks URL/ready as Kubernetes does, and ends with 1 if it sees what it must not.

  --url URL             where the gateway listens
  --seconds N           how long, 1 to 86400 (default 30)
  --period-millis N     from one probe's begin to the next one's, 10 to 60000 (default 1000)
  --timeout-millis N    how long one may take, 10 to 60000 (default 1000)
  --threshold N         failures in a row that make it not ready, 1 to 100 (default 3)
  --pid N               the gateway's process, for the options below
  --term-after N        send it a SIGTERM after so many seconds, and watch it until it is gone
  --grace N             seconds it may take to be gone, 1 to 3600 (default 30)
  --in-flight N         requests whose second half is sent a moment after the SIGTERM, 0 to 100 (default 0)
  --needs-503           a 503 must be seen after the SIGTERM: the gateway has a drain delay of a period or more
`

export class BadArguments extends Data.TaggedError("BadArguments")<{ readonly why: string }> {
  override get message(): string {
    return `probe: ${this.why} (--help tells what there is)`
  }
}

export interface Options {
  readonly url: string
  readonly seconds: number
  readonly periodMillis: number
  readonly timeoutMillis: number
  readonly threshold: number
  readonly pid: number | undefined
  readonly termAfter: number | undefined
  readonly grace: number
  readonly inFlight: number
  readonly needs503: boolean
}

const parse = (args: ReadonlyArray<string>) =>
  parseArgs({
    args: [...args],
    options: {
      url: { type: "string" },
      seconds: { type: "string", default: "30" },
      "period-millis": { type: "string", default: "1000" },
      "timeout-millis": { type: "string", default: "1000" },
      threshold: { type: "string", default: "3" },
      pid: { type: "string" },
      "term-after": { type: "string" },
      grace: { type: "string", default: "30" },
      "in-flight": { type: "string", default: "0" },
      "needs-503": { type: "boolean", default: false },
      help: { type: "boolean", default: false }
    }
  }).values

const refuse = (why: string): never => {
  throw new Error(why)
}

const number = (name: string, text: string, min: number, max: number): number => {
  const found = text.trim() === "" ? Number.NaN : Number(text)
  if (Number.isSafeInteger(found) && found >= min && found <= max) return found
  return refuse(`--${name}: wanted a whole number from ${min} to ${max}, found ${JSON.stringify(text)}`)
}

const checkedUrl = (text: string | undefined): string => {
  const wanted = "--url: wanted an http address such as http://127.0.0.1:8080"
  if (text === undefined) return refuse(`${wanted}, found none`)
  if (!URL.canParse(text) || new URL(text).protocol !== "http:")
    return refuse(`${wanted}, found ${JSON.stringify(text)}`)
  return text.replace(/\/+$/, "")
}

const read = (args: ReadonlyArray<string>): Options | "help" => {
  const values = parse(args)
  if (values.help) return "help"
  const optional = (name: "pid" | "term-after", min: number, max: number): number | undefined =>
    values[name] === undefined ? undefined : number(name, values[name], min, max)
  const pid = optional("pid", 2, 2 ** 31 - 1)
  const seconds = number("seconds", values.seconds, 1, 86_400)
  const termAfter = optional("term-after", 0, 86_400)
  const inFlight = number("in-flight", values["in-flight"], 0, 100)
  if (termAfter !== undefined && pid === undefined) return refuse("--term-after: wanted a --pid with it, found none")
  if (termAfter !== undefined && termAfter >= seconds) {
    return refuse(`--term-after: wanted fewer than the ${seconds} seconds of the whole, found "${termAfter}"`)
  }
  if (termAfter === undefined && (inFlight > 0 || values["needs-503"])) {
    return refuse("--in-flight, --needs-503: wanted a --term-after with it, found none")
  }
  return {
    url: checkedUrl(values.url),
    seconds,
    periodMillis: number("period-millis", values["period-millis"], 10, 60_000),
    timeoutMillis: number("timeout-millis", values["timeout-millis"], 10, 60_000),
    threshold: number("threshold", values.threshold, 1, 100),
    pid,
    termAfter,
    grace: number("grace", values.grace, 1, 3600),
    inFlight,
    needs503: values["needs-503"]
  }
}

export const make = (args: ReadonlyArray<string>): Effect.Effect<Options | "help", BadArguments> =>
  Effect.try({
    try: () => read(args),
    catch: (error) =>
      new BadArguments({ why: (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "" })
  })
