/**
 * Looking at what a process left or said, without trusting it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readdirSync, readFileSync } from "node:fs"
import * as Path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { NotSeen } from "./Child.ts"

const decode =
  <S extends Schema.ConstraintDecoder<unknown>>(what: string, schema: S) =>
  (text: string) =>
    Effect.mapError(
      Schema.decodeEffect(Schema.fromJsonString(schema))(text),
      (error) => new NotSeen({ wanted: what, found: `${text.slice(0, 100)} (${error.message})` })
    )

const Totals = Schema.Struct({ events: Schema.Int, keys: Schema.Int })

/** The answer of `GET /top`. */
export const totals = decode("totals", Totals)

/** The last line of the load. */
export const tally = ([text]: RegExpExecArray) =>
  decode("the load's tally", Schema.Struct({ acknowledged: Schema.Int, unanswered: Schema.Int }))(text)

const Answer = Schema.Struct({ problems: Schema.Array(Schema.Struct({ line: Schema.Int, why: Schema.String })) })

/** The bad lines of an answer of `POST /ingest`. */
export const problems = (text: string) =>
  Effect.map(decode("an answer with problems", Answer)(text), (answer) => answer.problems)

const Report = Schema.Struct({
  durationMillis: Schema.Finite,
  tasks: Schema.Struct({
    kinds: Schema.Array(
      Schema.Struct({ kind: Schema.String, live: Schema.Int, interrupted: Schema.Int, detached: Schema.Int })
    ),
    pending: Schema.Array(Schema.Struct({ name: Schema.String, kind: Schema.String, state: Schema.String }))
  }),
  leftBehind: Schema.Array(Schema.Struct({ name: Schema.String }))
})

/** The report names one task, and the requests that were in flight ended by themselves. */
export const report = (path: string, name: string) =>
  Effect.gen(function* () {
    const text = yield* Effect.try({
      try: () => readFileSync(path, "utf8"),
      catch: () => new NotSeen({ wanted: `a report in ${path}`, found: "none" })
    })
    const { leftBehind, tasks } = yield* decode("a shutdown report", Report)(text)
    const told = tasks.pending.map((task) => `${task.name} (${task.kind}, ${task.state})`).join(", ")
    const requests = tasks.kinds.find((row) => row.kind === "RpcHandler")
    const isRight = tasks.pending.length === 1 && tasks.pending[0]?.name === name && leftBehind.length === 0
    if (!isRight) return yield* new NotSeen({ wanted: `only ${name} to be named`, found: told || "nothing named" })
    if (requests === undefined || requests.live === 0 || requests.interrupted + requests.detached > 0) {
      return yield* new NotSeen({
        wanted: "requests in flight that ended by themselves",
        found: JSON.stringify(requests)
      })
    }
    return { value: undefined, note: `${told}; ${requests.live} request(s) in flight, none interrupted` }
  })

export const exitCode = (ended: { readonly code: number | null; readonly signal: string | null }, wanted: number) =>
  ended.code === wanted
    ? Effect.succeed({ value: undefined, note: `${ended.code}` })
    : Effect.fail(new NotSeen({ wanted: `exit code ${wanted}`, found: String(ended.signal ?? ended.code) }))

export interface Held {
  readonly events: number
  readonly keys: number
}

/** The workers' files, by their shards: `gateway.0.sqlite`, `gateway.1.sqlite`. Nothing else that has a number is missed. */
export const filesOf = (database: string): ReadonlyArray<string> => {
  const { dir, ext, name } = Path.parse(database)
  return readdirSync(dir)
    .filter((file) => file.startsWith(`${name}.`) && file.endsWith(ext))
    .toSorted()
    .map((file) => Path.join(dir, file))
}

/** What the snapshot files hold together, if each of them is whole. */
export const snapshots = (database: string): Effect.Effect<Held & { readonly files: number }, NotSeen> =>
  Effect.gen(function* () {
    const held = yield* Effect.forEach(filesOf(database), snapshot)
    return {
      files: held.length,
      events: held.reduce((sum, { events }) => sum + events, 0),
      keys: held.reduce((sum, { keys }) => sum + keys, 0)
    }
  })

const Workers = Schema.Struct({
  workers: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      serviceOrdinal: Schema.Int,
      ordinal: Schema.Int,
      generation: Schema.Int,
      state: Schema.String,
      role: Schema.String,
      place: Schema.optionalKey(Schema.String)
    })
  )
})

const Operated = Schema.Struct({
  started: Schema.Int,
  kept: Schema.Int,
  retired: Schema.Int,
  leftBehind: Schema.Array(Schema.String)
})

/** The answer of `POST /operate/…`. */
export const operated = decode("what was operated", Operated)

const Recycles = Schema.Struct({ recycles: Schema.Int })
const Statistics = Schema.Struct({ statistics: Schema.Struct({ counting: Recycles, parsing: Recycles }) })

/** How many workers were recycled, by the answer of `GET /workers`. */
export const recycles = (text: string) =>
  Effect.map(
    decode("the workers' statistics", Statistics)(text),
    ({ statistics: { counting, parsing } }) => counting.recycles + parsing.recycles
  )

/** The answer of `GET /workers`. */
export const workers = (text: string) => Effect.map(decode("the workers", Workers)(text), ({ workers }) => workers)

/** What one file holds, if it is whole. */
const snapshot = (path: string): Effect.Effect<Held, NotSeen> =>
  Effect.gen(function* () {
    const found = yield* Effect.try({
      try: () => {
        const db = new DatabaseSync(path, { readOnly: true })
        try {
          const one = (sql: string): unknown => Object.values(db.prepare(sql).get() ?? {})[0]
          return {
            check: one("PRAGMA integrity_check"),
            events: Number(one("SELECT events FROM snapshot")),
            counted: Number(one("SELECT coalesce(sum(count), 0) FROM aggregate")),
            keys: Number(one("SELECT count(*) FROM aggregate"))
          }
        } finally {
          db.close()
        }
      },
      catch: (error) => new NotSeen({ wanted: `a snapshot in ${path}`, found: String(error) })
    })
    if (found.check !== "ok" || found.events !== found.counted) {
      return yield* new NotSeen({ wanted: "a whole snapshot", found: JSON.stringify(found) })
    }
    return found
  })
