/**
 * A gateway under load, as the scripts that kill and operate its workers see it: clients that count what was acknowledged, what the
 * process holds, and what adds up at the end.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { parseArgs } from "node:util"
import * as Child from "./Child.ts"
import * as Http from "./http.ts"
import * as Look from "./look.ts"

/** Events a request. */
const EVENTS = 20

export class Violated extends Data.TaggedError("Violated")<{ readonly message: string }> {}

/** The arguments make no sense: one line, and nothing was started. */
export class BadArguments extends Data.TaggedError("BadArguments")<{ readonly message: string }> {}

/** Options that are whole numbers, each with its default and its least. */
export const numbers = <const O extends Readonly<Record<string, { readonly default: number; readonly min: number }>>>(
  declared: O,
  args: ReadonlyArray<string>
): Effect.Effect<{ readonly [K in keyof O]: number }, BadArguments> =>
  Effect.try({
    try: () => {
      const options = Object.fromEntries(Object.keys(declared).map((name) => [name, { type: "string" as const }]))
      const { values } = parseArgs({ args: [...args], options })
      const read = (name: string, { default: fallback, min }: O[keyof O]): number => {
        const found = values[name] === undefined ? fallback : Number(values[name])
        if (Number.isSafeInteger(found) && found >= min) return found
        throw new Error(`--${name}: wanted a whole number of at least ${min}, found ${JSON.stringify(values[name])}`)
      }
      const entries = Object.entries(declared).map(([name, one]) => [name, read(name, one as O[keyof O])])
      return Object.fromEntries(entries) as { readonly [K in keyof O]: number }
    },
    catch: (error) =>
      new BadArguments({
        message: (error instanceof Error ? error.message : String(error)).split(/\. To specify|\n/)[0]!
      })
  })

export const folder = (name: string, parent = tmpdir()) =>
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(`${parent}/selvedge-${name}-`)),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )

export interface Started {
  readonly service: Child.Child
  readonly url: string
  readonly pid: number
}

/** Starts a gateway on any port, and waits until it listens. */
export const start = Effect.fnUntraced(function* (program: string, env: Readonly<Record<string, string>>) {
  const service = yield* Child.start(program, [], { GATEWAY_PORT: "0", ...env })
  const [, url = ""] = yield* service.prints(/listening on (http:\/\/\S+)/)
  return { service, url, pid: service.pid } satisfies Started
})

/** What a process holds, as the kernel counts it. */
export const holds = (pid: number) => ({
  threads: readdirSync(`/proc/${pid}/task`).length,
  descriptors: readdirSync(`/proc/${pid}/fd`).length
})

/** The names of a process's threads: `libuv-worker`, `aggregate 0`, … */
export const threadNames = (pid: number): ReadonlyArray<string> =>
  readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return [readFileSync(`/proc/${pid}/task/${task}/comm`, "latin1").trim()]
    } catch {
      // It has ended meanwhile.
      return []
    }
  })

/** Of the watchdog: it is there while something is said, and for some seconds after. */
const VOICE = "watchdog-voice"
const QUIET_SECONDS = 60

/**
 * Waits until a process's watchdog has said what it had to say: on a loaded machine a loop may be late at any time, and the thread
 * that tells of it takes descriptors. Goes on after a minute all the same; what is there then counts.
 */
export const quiet = (pid: number) =>
  Effect.ignore(
    until(
      "the watchdog's voice to end",
      QUIET_SECONDS,
      Effect.sync(() => !threadNames(pid).includes(VOICE))
    )
  )

/** What is in the second list more often than in the first. */
export const more = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<string> => {
  const rest = [...before]
  return after.filter((name) => {
    const at = rest.indexOf(name)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
}

/** Processes that were started with a variable of that value, whoever their parent is now. */
export const startedWith = (variable: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return pid !== process.pid && readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(variable)
      } catch {
        return false
      }
    })

/** What is told of them that grew; a few descriptors come and go with connections. */
export const grown = (before: ReturnType<typeof holds>, after: ReturnType<typeof holds>): ReadonlyArray<string> =>
  [
    after.threads !== before.threads && `${before.threads} threads became ${after.threads}`,
    after.descriptors > before.descriptors + 4 && `${before.descriptors} descriptors became ${after.descriptors}`
  ].filter((one) => one !== false)

export interface Tally {
  requests: number
  failed: number
  acknowledged: number
  /** Sent to a gateway that was killed before it answered: counted or not. */
  unanswered: number
  /** The first thing that failed. */
  first?: string
}

export const tally = (): Tally => ({ requests: 0, failed: 0, acknowledged: 0, unanswered: 0 })

const fail = (counted: Tally, what: string): void => {
  counted.failed++
  counted.first ??= what
}

export interface Target {
  /** Where the gateway listens now; one that is killed comes back elsewhere. */
  readonly url: () => string
  /** Whether it may be killed itself: then a connection may break, and it is not there for a while. */
  readonly mayBreak: boolean
  readonly isOver: () => boolean
}

/** One client: batch after batch, each under keys of its own choice, until it is over. */
export const client = ({ isOver, mayBreak, url }: Target, counted: Tally) =>
  Effect.gen(function* () {
    while (!isOver()) {
      const keys = yield* Effect.replicateEffect(Random.nextIntBetween(0, 50), EVENTS)
      const body = keys.map((key) => `{"key":"key ${key}","value":${key}}\n`).join("")
      const answer = yield* Effect.result(Http.ask("POST", `${url()}/ingest`, body))
      counted.requests++
      if (answer._tag === "Success") {
        const { status, text } = answer.success
        if (status !== 200) fail(counted, `POST /ingest ${status} ${text}`)
        counted.acknowledged += Number(/"accepted":(\d+)/.exec(text)?.[1] ?? 0)
        continue
      }
      const { found } = answer.failure
      if (!mayBreak) fail(counted, found)
      else if (!found.includes("ECONNREFUSED")) counted.unanswered += EVENTS
      yield* Effect.sleep("20 millis")
    }
  })

/** Asks for the totals again and again; what was told may not be taken back. */
export const reader = ({ isOver, url }: Target, counted: Tally) =>
  Effect.gen(function* () {
    let told = 0
    while (!isOver()) {
      const answer = yield* Effect.result(
        Effect.flatMap(Http.ask("GET", `${url()}/top?n=3`), ({ text }) => Look.totals(text))
      )
      counted.requests++
      if (answer._tag !== "Success") fail(counted, `GET /top: ${answer.failure.found}`)
      else if (answer.success.events < told) fail(counted, `${told} events became ${answer.success.events}`)
      else told = answer.success.events
      yield* Effect.sleep("20 millis")
    }
  })

export const rowsOf = (url: string) =>
  Effect.flatMap(Http.ask("GET", `${url}/workers`), ({ text }) => Look.workers(text))

/** Asks until the answer is yes; fails with what was waited for when that takes too long. */
export const until = <E>(wanted: string, seconds: number, isSo: Effect.Effect<boolean, E>) =>
  Effect.repeat(
    Effect.tap(isSo, (yes) => (yes ? Effect.void : Effect.sleep("20 millis"))),
    { until: Boolean }
  ).pipe(
    Effect.asVoid,
    Effect.timeoutOrElse({
      duration: seconds * 1000,
      orElse: () => Effect.fail(new Violated({ message: `wanted ${wanted} within ${seconds} s, and it was not seen` }))
    })
  )

/** What the files hold against what was acknowledged. */
export const addUp = (counted: Tally, held: { readonly events: number; readonly files: number }, files: number) =>
  [
    counted.failed > 0 && `${counted.failed} of ${counted.requests} request(s) failed: ${counted.first}`,
    held.events < counted.acknowledged && `${counted.acknowledged - held.events} acknowledged event(s) lost`,
    held.events > counted.acknowledged + counted.unanswered &&
      `${held.events - counted.acknowledged - counted.unanswered} event(s) counted twice`,
    held.files !== files && `${held.files} files`
  ].filter((one) => one !== false)

/** Runs a script to its exit code: 2 and one line for bad arguments, 1 and one line for what else went wrong. */
export const run = (
  script: string,
  main: Effect.Effect<number, { readonly _tag: string; readonly message: string }>
): void =>
  NodeRuntime.runMain(
    Effect.catch(main, (error) =>
      Effect.as(Console.error(`${script}: ${error.message}`), error._tag === "BadArguments" ? 2 : 1)
    ).pipe(
      Effect.map((code) => {
        process.exitCode = code
      })
    )
  )
