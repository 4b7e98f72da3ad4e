/**
 * The operator of a gateway: tells it what to do with its workers, and looks whether it has.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { NotSeen } from "./Child.ts"
import * as Http from "./http.ts"
import * as Look from "./look.ts"
import * as UnderLoad from "./underLoad.ts"

/** An operation; gives what was not as it should be. */
type Operation = Effect.Effect<ReadonlyArray<string>, NotSeen | UnderLoad.Violated>

export interface Operator {
  /** SIGHUP: all workers are others afterwards. */
  readonly hangUp: Operation
  /** The same by the route. */
  readonly restart: Operation
  readonly reload: (parsers: number) => Operation
  readonly scale: (parsers: number) => Operation
  /** Waits until all workers, and nobody else, are ready and serve. */
  readonly settled: Operation
  /** Recycles for so many seconds; how many workers it were. */
  readonly recycle: (everySeconds: number, seconds: number) => Effect.Effect<number, NotSeen>
}

/** A secret for one run. */
export const token = Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 15), 32), (digits) =>
  digits.map((digit) => digit.toString(16)).join("")
)

type Row = Effect.Success<ReturnType<typeof Look.workers>>[number]

const lifeOf = ({ generation, name, ordinal }: Row): string => `${name} ${ordinal}:${generation}`

const isSettled = (rows: ReadonlyArray<Row>): boolean =>
  rows.every(({ role, state }) => role === "Serving" && state === "Ready")

/** `workers` is how many there are while nothing is scaled. */
export const make = ({ service, url }: UnderLoad.Started, secret: string, workers: number): Operator => {
  const rows = UnderLoad.rowsOf(url)
  const post = Effect.fnUntraced(function* (path: string) {
    const headers = { authorization: `Bearer ${secret}` }
    const { status, text } = yield* Http.ask("POST", `${url}/operate/${path}`, "", headers)
    return status === 200 ? yield* Look.operated(text) : `POST ${path}: ${status} ${text.trim()}`
  })
  /** Everybody is ready and serves, and nobody else is there. */
  const until = (wanted: string, isSo: (rows: ReadonlyArray<Row>) => boolean = () => true) =>
    UnderLoad.until(
      wanted,
      240,
      Effect.map(rows, (found) => isSettled(found) && isSo(found))
    )

  const hangUp = Effect.gen(function* () {
    const before = (yield* rows).map(lifeOf)
    yield* service.signal("SIGHUP")
    yield* until(
      "all workers to be replaced after SIGHUP",
      (found) => found.length === before.length && !found.some((row) => before.includes(lifeOf(row)))
    )
    return []
  })
  const checked = (
    path: string,
    wanted: { readonly kept: number; readonly started?: number; readonly retired?: number }
  ) =>
    Effect.map(post(path), (done) => {
      if (typeof done === "string") return [done]
      return [
        ...Object.entries(wanted).flatMap(([what, count]) => {
          const found = done[what as keyof typeof wanted]
          return found === count ? [] : [`${path}: wanted ${count} ${what}, found ${found}`]
        }),
        ...done.leftBehind.map((name) => `${path}: ${name} was left behind`)
      ]
    })
  return {
    hangUp,
    settled: Effect.as(
      until(`${workers} workers that serve`, (found) => found.length === workers),
      []
    ),
    restart: checked("restart", { kept: 0, started: workers, retired: workers }),
    reload: (parsers) =>
      Effect.gen(function* () {
        const before = (yield* rows).length
        const after = before - (yield* rows).filter(({ name }) => name === "parse").length + parsers
        return yield* checked(`reload?parsers=${parsers}`, {
          kept: Math.min(before, after),
          started: Math.max(0, after - before),
          retired: Math.max(0, before - after)
        })
      }),
    scale: (parsers) =>
      Effect.gen(function* () {
        const done = yield* post(`scale?service=parse&count=${parsers}`)
        const found = (yield* rows).filter(({ name }) => name === "parse").length
        if (typeof done === "string") return [done]
        return found === parsers ? [] : [`scale: wanted ${parsers} parsers, found ${found}`]
      }),
    recycle: (everySeconds, seconds) =>
      Effect.gen(function* () {
        const count = Effect.flatMap(Http.ask("GET", `${url}/workers`), ({ text }) => Look.recycles(text))
        const before = yield* count
        yield* post(`reload?recycle=${everySeconds}s`)
        yield* Effect.sleep(seconds * 1000)
        yield* post("reload?recycle=off")
        return (yield* count) - before
      })
  }
}
