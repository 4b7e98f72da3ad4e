import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import * as SnapshotFile from "../SnapshotFile.ts"
import { Table } from "../Table.ts"
import { folder } from "./support.ts"

/** Opens the file, uses it and closes it again. */
const using = <A, E>(
  path: string,
  use: (file: SnapshotFile.SnapshotFile) => Effect.Effect<A, E>,
  open: typeof SnapshotFile.open = SnapshotFile.open
) => Effect.scoped(Effect.flatMap(open(path, 2), use))

const restored = (path: string, open?: typeof SnapshotFile.open) =>
  using(path, (file) => Effect.succeed(file.restored), open)

const tableOf = (...keys: ReadonlyArray<string>): Table => {
  const table = new Table(100)
  for (const key of keys) table.add({ key, value: 1.5 })
  return table
}

/** A file with one snapshot of `a`, `a`, `b`. */
const written = Effect.gen(function* () {
  const path = `${yield* folder}/gateway.sqlite`
  yield* using(path, (file) => file.write(tableOf("a", "a", "b"), 3))
  return path
})

describe("a snapshot file", () => {
  it.effect("gives back what was written", () =>
    Effect.gen(function* () {
      const path = yield* written
      const rows = yield* restored(path)
      assert.deepStrictEqual(new Table(100, rows).top(9), tableOf("a", "a", "b").top(9))
    })
  )

  it.effect("holds the snapshot before when writing the next one fails in the middle, and takes it later", () =>
    Effect.gen(function* () {
      const path = yield* written
      yield* using(path, (file) =>
        Effect.gen(function* () {
          const table = new Table(100, file.restored)
          table.add({ key: "c", value: 1 })
          // SQLite stores NaN as NULL, which no column takes.
          table.add({ key: "d", value: Number.NaN })
          const problem = yield* Effect.flip(file.write(table, 5))
          assert.include(problem.message, `could not be written to ${path}`)
          assert.strictEqual(table.takeChanges().length, 2)
        })
      )
      const rows = yield* restored(path)
      assert.deepStrictEqual(new Table(100, rows).top(9), tableOf("a", "a", "b").top(9))
    })
  )

  const unusable = (path: string) =>
    Effect.map(Effect.flip(restored(path)), (problem) => {
      assert.notInclude(problem.message, "\n")
      assert.include(problem.message, "GATEWAY_WHEN_UNUSABLE=begin-anew")
      return problem.message
    })

  it.effect("is refused, and left as it is, when it is corrupt, foreign, inconsistent, locked or no file", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      writeFileSync(`${dir}/text`, "this is no database")
      assert.include(yield* unusable(`${dir}/text`), "not an SQLite database")
      assert.strictEqual(readFileSync(`${dir}/text`, "utf8"), "this is no database")

      const corrupt = yield* written
      const bytes = readFileSync(corrupt)
      writeFileSync(corrupt, bytes.fill(0xa5, 4096, 4200))
      assert.match(yield* unusable(corrupt), /corrupt/)
      assert.deepStrictEqual(readFileSync(corrupt), bytes)

      const foreign = new DatabaseSync(`${dir}/foreign`)
      foreign.exec("CREATE TABLE theirs (id INTEGER)")
      foreign.close()
      assert.include(yield* unusable(`${dir}/foreign`), "database of another program")

      const torn = yield* written
      const edited = new DatabaseSync(torn)
      edited.exec("DELETE FROM aggregate WHERE key = 'a'")
      edited.close()
      assert.include(yield* unusable(torn), "the snapshot says 3 events, its rows 1")

      const locked = yield* written
      const inUse = yield* using(locked, () => Effect.flip(restored(locked, SnapshotFile.open)))
      assert.match(inUse.message, /locked by another .* left as it is$/)

      mkdirSync(`${dir}/folder`)
      assert.include(yield* unusable(`${dir}/folder`), "cannot be opened")
      assert.include(yield* unusable(`${dir}/missing/gateway.sqlite`), "folder is missing")
    })
  )

  it.effect("is moved aside, not deleted, when the gateway is told to begin anew", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const path = `${dir}/gateway.sqlite`
      for (const text of ["first", "second"]) {
        writeFileSync(path, text)
        assert.deepStrictEqual(yield* restored(path, SnapshotFile.openOrBeginAnew), [])
      }
      assert.deepStrictEqual(readdirSync(dir).toSorted(), [
        "gateway.sqlite",
        "gateway.sqlite.aside-1",
        "gateway.sqlite.aside-2"
      ])
      assert.strictEqual(readFileSync(`${path}.aside-1`, "utf8"), "first")

      // A folder in its place, and one that is missing, are not ours to move.
      mkdirSync(`${dir}/folder`)
      assert.strictEqual(
        (yield* Effect.flip(restored(`${dir}/folder`, SnapshotFile.openOrBeginAnew)))._tag,
        "SnapshotUnusable"
      )
      assert.isTrue(existsSync(`${dir}/folder`))
      yield* Effect.flip(restored(`${dir}/missing/gateway.sqlite`, SnapshotFile.openOrBeginAnew))
    })
  )

  it.effect("remembers the last event that is in it, and whose share it is [S8]", () =>
    Effect.gen(function* () {
      const path = yield* written
      assert.strictEqual(yield* using(path, ({ number }) => Effect.succeed(number)), 3)
      const problem = yield* Effect.flip(Effect.scoped(SnapshotFile.open(path, 3)))
      assert.include(problem.message, "it belongs to one of 2 worker(s), and GATEWAY_WORKERS is 3")
    })
  )

  it.effect("that can be used is not moved aside", () =>
    Effect.gen(function* () {
      const path = yield* written
      assert.strictEqual((yield* restored(path, SnapshotFile.openOrBeginAnew)).length, 2)
      assert.isFalse(existsSync(`${path}.aside-1`))
    })
  )
})
