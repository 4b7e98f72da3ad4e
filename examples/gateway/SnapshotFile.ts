/**
 * The SQLite file of one shard.
 *
 * Opening takes the file for this life of its worker alone, so no two ever write the same one, and reads it as a whole: a
 * file that is locked, not ours, corrupt or inconsistent is refused before anything is served. Each write is one
 * transaction, so whatever happens in the middle of it the file holds the snapshot before.
 *
 * **Layout**
 *
 * - `aggregate (key, count, sum, min, max)`: one row a key
 * - `snapshot (id, number, events, taken_at, workers, last_event)`: one row; `events` is the sum of all counts, which is how a reader
 *   sees that a snapshot is whole; `last_event` is the number of the last event that is in it or is another worker's; `workers` is how many
 *   there are, because another number would count a key twice
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { existsSync, renameSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { describe, isLocked, SnapshotFailed, SnapshotUnusable } from "./SnapshotError.ts"
import type { Aggregate, Table } from "./Table.ts"

export interface SnapshotFile {
  readonly path: string
  /** What the file held when it was opened. */
  readonly restored: ReadonlyArray<Aggregate>
  /** Of the last event it knew of then; 0 in a new file. */
  readonly number: number
  /** Writes what changed in a table and the number of the last event, all of it or nothing. */
  readonly write: (table: Table, number: number) => Effect.Effect<void, SnapshotFailed>
}

/** Opens the file, or moves one aside that cannot be used. One that somebody has open can be. */
export const openOrBeginAnew = (
  path: string,
  workers: number
): Effect.Effect<SnapshotFile, SnapshotUnusable, Scope.Scope> =>
  Effect.catch(openWhenFree(path, workers), (problem) =>
    problem.isLocked === true ? Effect.fail(problem) : Effect.andThen(moveAside(problem), open(path, workers))
  )

/** "Selv" in ASCII: marks a file as ours. */
const APPLICATION_ID = 0x53656c76

/** Of the layout. */
const VERSION = 2

const SCHEMA = `
  CREATE TABLE aggregate (
    key TEXT PRIMARY KEY, count INTEGER NOT NULL, sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, events INTEGER NOT NULL, taken_at INTEGER NOT NULL,
    workers INTEGER NOT NULL, last_event INTEGER NOT NULL
  ) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${VERSION};
`

export const open = (path: string, workers: number): Effect.Effect<SnapshotFile, SnapshotUnusable, Scope.Scope> =>
  Effect.gen(function* () {
    const unusable = (error: unknown) => new SnapshotUnusable({ path, why: describe(error), isLocked: isLocked(error) })
    const db = yield* Effect.acquireRelease(
      Effect.try({ try: () => new DatabaseSync(path, { timeout: 200 }), catch: unusable }),
      (db) => Effect.sync(() => db.close())
    )
    const found = yield* Effect.try({ try: () => check(db, workers), catch: unusable })
    if (typeof found === "string") return yield* new SnapshotUnusable({ path, why: found })
    let stored = found.number
    const write = (table: Table, number: number) =>
      Effect.suspend(() =>
        number === stored
          ? Effect.void
          : Effect.tap(writeChanges(db, path, table, number), () => Effect.sync(() => (stored = number)))
      )
    return { path, ...found, write } satisfies SnapshotFile
  })

/** Whoever had it before may be a moment from letting it go. */
const UNTIL_FREE = Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(20)])

/** As `open`, and waits a few seconds for a lock. */
export const openWhenFree: typeof open = Effect.fnUntraced(function* (path, workers) {
  const scope = yield* Effect.scope
  const once = Effect.flatMap(Scope.fork(scope), (own) =>
    Effect.onError(Scope.provide(open(path, workers), own), (cause) => Scope.close(own, Exit.failCause(cause)))
  )
  return yield* Effect.retry(once, { schedule: UNTIL_FREE, while: (problem) => problem.isLocked === true })
})

/** The rows of the file, made if it was empty, or what is wrong with it. */
const check = (db: DatabaseSync, workers: number): Pick<SnapshotFile, "restored" | "number"> | string => {
  // Taken with the first lock and kept until the file is closed.
  db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE")
  const one = (sql: string): unknown => Object.values(db.prepare(sql).get() ?? {})[0]
  const isEmpty = one("SELECT count(*) FROM sqlite_schema") === 0
  if (!isEmpty && one("PRAGMA application_id") !== APPLICATION_ID) return "it is a database of another program"
  const verdict = one("PRAGMA quick_check(1)")
  if (verdict !== "ok") return `it is corrupt (${String(verdict).replaceAll("\n", " ")})`
  if (isEmpty) {
    db.exec(SCHEMA)
    db.prepare("INSERT INTO snapshot VALUES (1, 0, 0, 0, ?, 0)").run(workers)
  }
  const version = one("PRAGMA user_version")
  if (version !== VERSION) return `it is of version ${String(version)} of its layout, wanted ${VERSION}`
  const rows = db.prepare("SELECT key, count, sum, min, max FROM aggregate").all() as unknown as Array<Aggregate>
  const counted = rows.reduce((total, row) => total + row.count, 0)
  const events = one("SELECT events FROM snapshot")
  if (events !== counted) return `it is inconsistent (the snapshot says ${String(events)} events, its rows ${counted})`
  const among = one("SELECT workers FROM snapshot")
  if (among !== workers) return `it belongs to one of ${String(among)} worker(s), and GATEWAY_WORKERS is ${workers}`
  const number = Number(one("SELECT last_event FROM snapshot"))
  db.exec("COMMIT")
  return { restored: rows, number }
}

const writeChanges = (
  db: DatabaseSync,
  path: string,
  table: Table,
  number: number
): Effect.Effect<void, SnapshotFailed> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.suspend(() => {
      const changes = table.takeChanges()
      return Effect.try({
        try: () => inTransaction(db, () => writeRows(db, changes, [table.events, now, number])),
        catch: (error) => {
          table.giveBack(changes)
          return new SnapshotFailed({ path, why: describe(error) })
        }
      })
    })
  )

/** The facts are how many events there are, the time, and the number of the last one. */
const writeRows = (
  db: DatabaseSync,
  rows: ReadonlyArray<Aggregate>,
  facts: readonly [events: number, now: number, number: number]
): void => {
  const upsert = db.prepare(
    `INSERT INTO aggregate VALUES (?, ?, ?, ?, ?) ON CONFLICT (key)
     DO UPDATE SET count = excluded.count, sum = excluded.sum, min = excluded.min, max = excluded.max`
  )
  for (const { count, key, max, min, sum } of rows) upsert.run(key, count, sum, min, max)
  db.prepare("UPDATE snapshot SET number = number + 1, events = ?, taken_at = ?, last_event = ?").run(...facts)
}

const inTransaction = (db: DatabaseSync, body: () => void): void => {
  db.exec("BEGIN IMMEDIATE")
  try {
    body()
    db.exec("COMMIT")
  } catch (error) {
    // A full disk may have rolled back already.
    if (db.isTransaction) db.exec("ROLLBACK")
    throw error
  }
}

/** Gives the file another name, its journals with it. */
const moveAside = (problem: SnapshotUnusable): Effect.Effect<void, SnapshotUnusable> =>
  Effect.gen(function* () {
    const { path } = problem
    // A missing folder or a folder in its place is not ours to move.
    if (!existsSync(path) || !statSync(path).isFile()) return yield* problem
    let number = 1
    while (existsSync(`${path}.aside-${number}`)) number++
    const aside = `${path}.aside-${number}`
    yield* Effect.try({
      try: () => {
        for (const suffix of ["", "-journal", "-wal", "-shm"]) {
          if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix)
        }
      },
      catch: (error) =>
        new SnapshotUnusable({ path, why: `${problem.why}, and moving it aside failed: ${describe(error)}` })
    })
    yield* Effect.logWarning(`${path} could not be used (${problem.why}): moved aside to ${aside}, beginning anew`)
  })
