/** A space and its files: made, attached to, refused, taken over, removed. */
import { assert, describe, it } from "@effect/vitest"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import type * as MappingError from "@selvedge/node/memory/MappingError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as path from "node:path"
import { freshDirectory, participant, space } from "./fixtures/space.ts"

/** Builds a layer in a scope of its own and says how that failed. */
const failureOf = <A>(layer: Layer.Layer<A, MappedMemory.MappingError>) =>
  Effect.flip(Effect.scoped(Layer.build(layer)))

const messageOf = <A>(layer: Layer.Layer<A, MappedMemory.MappingError>) =>
  Effect.map(failureOf(layer), (error) => error.message)

/** What a refusal says differs; `undefined` for another failure. */
const differs = (error: MappedMemory.MappingError): string | undefined =>
  error._tag === "FileRefused" ? error.differs : undefined

/** A control file as a dead owner left it, changed by `change`. */
const leftOver = Effect.fnUntraced(function* (change: (file: string) => void) {
  const directory = yield* freshDirectory
  const owner = yield* participant(directory, "test", "own", "numbers")
  yield* Effect.promise(() => owner.ready())
  owner.process.kill("SIGKILL")
  yield* Effect.promise(() => owner.killed())
  const file = path.join(directory, "test")
  change(file)
  return { place: { directory, name: "test" }, file }
})

const writeWord = (file: string, word: number, value: number): void => {
  const fd = fs.openSync(file, "r+")
  fs.writeSync(fd, Int32Array.of(value), 0, 4, word * 4)
  fs.closeSync(fd)
}

describe("a space", () => {
  it.live("is private, has blocks behind all of its bytes, and is gone with its scope [P2] [P5]", () =>
    Effect.gen(function* () {
      const place = yield* space(
        ({ directory, name }) =>
          Effect.gen(function* () {
            yield* MappedMemory.allocate("numbers", 100_000)
            const [control, region] = [path.join(directory, name), path.join(directory, `${name}.1`)]
            assert.strictEqual(fs.statSync(directory).mode & 0o777, 0o700)
            for (const [file, bytes] of [
              [control, 65_536],
              [region, 131_072 + 4096]
            ] as const) {
              const { blocks, mode, size } = fs.statSync(file)
              assert.deepStrictEqual({ mode: mode & 0o777, size }, { mode: 0o600, size: bytes })
              assert.isAtLeast(blocks * 512, bytes, "no hole in it")
            }
            return directory
          }),
        {}
      )
      assert.isFalse(fs.existsSync(place))
    })
  )

  it.live("is removed by its owner, with what the dead have left in it [P2]", () =>
    Effect.gen(function* () {
      const left = yield* leftOver(() => undefined)
      assert.deepStrictEqual(fs.readdirSync(left.place.directory).toSorted(), ["test", "test.1"])
      yield* Effect.scoped(Layer.build(MappedMemory.layerMapped(left.place)))
      assert.deepStrictEqual(fs.readdirSync(left.place.directory), [])
    }).pipe(Effect.scoped)
  )

  it.live("refuses names that cannot be, before anything is touched [P2]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      for (const name of ["", "a/b", "a\0b", "..", ".hidden", "a.1", "a b", "ä", "x".repeat(25)]) {
        const message = yield* messageOf(MappedMemory.layerMapped({ directory, name }))
        assert.match(message, /^name: wanted 1 to 24 letters.*macOS' 31 characters\), found "/)
      }
      const relative = yield* messageOf(MappedMemory.layerMapped({ directory: "here", name: "a" }))
      assert.strictEqual(relative, 'directory: wanted an absolute path, found "here"')
      const many = yield* messageOf(MappedMemory.layerMapped({ directory, name: "a", maxParticipants: 65 }))
      assert.strictEqual(many, "maxParticipants: wanted a whole number from 1 to 64, found 65")
      yield* space(({ directory: mine }) =>
        Effect.gen(function* () {
          for (const region of ["", "a/b", "a\0b", "x".repeat(33)]) {
            const error = yield* Effect.flip(MappedMemory.allocate(region, 8))
            assert.include(String(error.message), "region: wanted 1 to 32 letters")
          }
          assert.deepStrictEqual(fs.readdirSync(mine), ["test"])
        })
      )
    }).pipe(Effect.scoped)
  )

  it.live("refuses a directory that others may enter, and one that is none [P2]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      fs.mkdirSync(directory, { mode: 0o755 })
      const open = yield* messageOf(MappedMemory.layerMapped({ directory, name: "a" }))
      assert.strictEqual(open, `${directory} is refused, its permission differs: wanted mode 700, found mode 755`)
      assert.deepStrictEqual(fs.readdirSync(directory), [])
      fs.writeFileSync(`${directory}/file`, "")
      const file = yield* failureOf(MappedMemory.layerMapped({ directory: `${directory}/file`, name: "a" }))
      assert.strictEqual(differs(file), "directory")
      fs.symlinkSync("/tmp", `${directory}/link`)
      const link = yield* failureOf(MappedMemory.layerMapped({ directory: `${directory}/link`, name: "a" }))
      assert.strictEqual(differs(link), "directory")
    }).pipe(Effect.scoped)
  )

  it.live("has one owner: a service that is started twice is told who has it [P2]", () =>
    space(({ directory, name }) =>
      Effect.gen(function* () {
        const error = yield* failureOf(MappedMemory.layerMapped({ directory, name }))
        assert.strictEqual(error._tag, "SpaceTaken")
        assert.strictEqual((error as MappingError.SpaceTaken).pid, process.pid)
        assert.match(error.message, /is owned by process \d+, which is alive/)
        assert.strictEqual((yield* MappedMemory.participants).length, 1)
      })
    )
  )

  it.live("has no more participants than it was made for, and takes the next when one has left [P2]", () =>
    space(
      (place) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          yield* Layer.buildWithScope(MappedMemory.layerAttached(place), scope)
          const full = yield* messageOf(MappedMemory.layerAttached(place))
          assert.match(full, /wanted one more of its participants, found 2 in use$/)
          yield* Scope.close(scope, Effect.runSync(Effect.exit(Effect.void)))
          yield* Effect.scoped(Layer.build(MappedMemory.layerAttached(place)))
        }),
      { maxParticipants: 2 }
    )
  )
})

describe("what is there already", () => {
  const refused = [
    ["a foreign file", "magic", (file: string) => fs.writeFileSync(file, "x".repeat(70_000), { mode: 0o600 })],
    ["a file of another version", "version", (file: string) => writeWord(file, 1, 99)],
    ["a truncated file", "size", (file: string) => fs.truncateSync(file, 32_768)],
    ["a file of another shape", "shape", (file: string) => writeWord(file, 3, 77)],
    ["a file of an earlier boot", "boot", (file: string) => writeWord(file, 7, 12_345)],
    ["a file that others may read", "permission", (file: string) => fs.chmodSync(file, 0o644)],
    ["a directory in its place", "kind", (file: string) => (fs.rmSync(file), fs.mkdirSync(file))],
    ["a link in its place", "kind", (file: string) => (fs.rmSync(file), fs.symlinkSync("/etc/hostname", file))]
  ] as const

  for (const [what, wanted, change] of refused) {
    it.live(`is refused, and left as it was, if it is ${what} [P2]`, () =>
      Effect.gen(function* () {
        const left = yield* leftOver(change)
        const before = wanted === "kind" ? undefined : fs.readFileSync(left.file)
        const error = yield* failureOf(MappedMemory.layerMapped(left.place))
        assert.strictEqual(differs(error), wanted, error.message)
        assert.match(error.message, /wanted .*, found /)
        if (before !== undefined) assert.deepStrictEqual(fs.readFileSync(left.file), before)
      }).pipe(Effect.scoped)
    )
  }

  it.live("is finished if its maker died before it was [P2]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      fs.mkdirSync(directory, { mode: 0o700 })
      fs.writeFileSync(path.join(directory, "test"), new Uint8Array(4096), { mode: 0o600 })
      const layer = MappedMemory.layerMapped({ directory, name: "test" })
      yield* Effect.scoped(Effect.provide(MappedMemory.allocate("a", 8), layer))
    }).pipe(Effect.scoped)
  )

  it.live("is taken over from a dead owner, with its regions, or replaced [P2]", () =>
    Effect.gen(function* () {
      const left = yield* leftOver(() => undefined)
      const regions = Effect.scoped(Effect.as(MappedMemory.open("numbers", { timeout: 0 }), "open"))
      const adopted = yield* Effect.scoped(Effect.provide(regions, MappedMemory.layerMapped(left.place)))
      assert.strictEqual(adopted, "open")
      const again = yield* leftOver(() => undefined)
      const layer = MappedMemory.layerMapped({ ...again.place, leftovers: "replace" })
      const replaced = yield* Effect.flip(Effect.scoped(Effect.provide(regions, layer)))
      assert.strictEqual(replaced._tag, "NotThere")
    }).pipe(Effect.scoped)
  )

  it.live("is not replaced while somebody takes part in it [P2]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const place = { directory, name: "test" }
      const owner = yield* participant(directory, "test", "own", "numbers")
      yield* Effect.promise(() => owner.ready())
      const other = yield* participant(directory, "test", "stay")
      yield* Effect.promise(() => other.ready())
      yield* Effect.promise(() => owner.kill())
      const message = yield* messageOf(MappedMemory.layerMapped({ ...place, leftovers: "replace" }))
      assert.include(message, `wanted nobody attached, found process ${other.process.pid} still attached`)
      yield* Effect.promise(() => other.kill())
      yield* Effect.scoped(Layer.build(MappedMemory.layerMapped({ ...place, leftovers: "replace" })))
    }).pipe(Effect.scoped)
  )
})

describe("attaching", () => {
  it.live("gives up after its time, and says what it waited for [P2]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const message = yield* messageOf(MappedMemory.layerAttached({ directory, name: "test", timeout: 50 }))
      assert.match(message, /wanted a space with a living owner \(no file\), found none within \d+ ms/)
      const left = yield* leftOver(() => undefined)
      const dead = yield* messageOf(MappedMemory.layerAttached({ ...left.place, timeout: 50 }))
      assert.match(dead, /wanted a space with a living owner \(no living owner\), found none within \d+ ms/)
    }).pipe(Effect.scoped)
  )

  it.live("waits for an owner that comes later, and for a region that is made later [P2]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const early = yield* participant(directory, "test", "stay", "late")
      const layer = MappedMemory.layerMapped({ directory, name: "test" })
      yield* Effect.gen(function* () {
        yield* MappedMemory.allocate("late", 8)
        yield* Effect.promise(() => early.ready())
      }).pipe(Effect.scoped, Effect.provide(layer))
    }).pipe(Effect.scoped)
  )
})

describe("a region", () => {
  it.live("has any size, in whole pages, and is refused one that cannot be [P2]", () =>
    space(() =>
      Effect.gen(function* () {
        const { allocate } = yield* SharedMemory.SharedMemory
        for (const [bytes, wanted] of [
          [1, 65_536],
          [65_536, 65_536],
          [65_537, 131_072]
        ] as const) {
          assert.strictEqual((yield* allocate(bytes)).byteLength, wanted)
        }
        for (const bytes of [0, -1, 1.5, Number.NaN, 2 ** 31 + 1, Number.POSITIVE_INFINITY]) {
          const error = yield* Effect.flip(allocate(bytes))
          assert.include(error.message, "wanted a whole number from 1 to 2147483648")
        }
      })
    )
  )

  it.live("has a name that is its alone [P2]", () =>
    space(() =>
      Effect.gen(function* () {
        const memory = yield* MappedMemory.allocate("numbers", 8)
        assert.strictEqual(yield* MappedMemory.nameOf(memory), "numbers")
        const taken = yield* Effect.flip(MappedMemory.allocate("numbers", 8))
        assert.include(taken.message, 'wanted a new region "numbers", found one of that name; open it')
        const other = yield* Effect.flip(MappedMemory.nameOf(new SharedArrayBuffer(8)))
        assert.include(other.message, "wanted memory of one of its regions, found 8 other bytes")
        const missing = yield* Effect.flip(MappedMemory.open("nothing", { timeout: 30 }))
        assert.match(missing.message, /wanted a region "nothing", found none within \d+ ms/)
        assert.strictEqual(yield* MappedMemory.open("numbers"), memory)
      })
    )
  )

  const spoilt = [
    ["size", (file: string) => fs.truncateSync(file, 40_000)],
    ["magic", (file: string) => writeWord(file, 65_536 / 4, 0)],
    ["version", (file: string) => writeWord(file, 65_536 / 4 + 1, 2)],
    ["space", (file: string) => writeWord(file, 65_536 / 4 + 2, 1)],
    ["serial", (file: string) => writeWord(file, 65_536 / 4 + 4, 9)],
    ["permission", (file: string) => fs.chmodSync(file, 0o640)]
  ] as const

  for (const [what, change] of spoilt) {
    it.live(`is refused if its file's ${what} differs [P2] [P5]`, () =>
      space((place) =>
        Effect.gen(function* () {
          yield* MappedMemory.allocate("numbers", 8)
          change(path.join(place.directory, "test.1"))
          const attached = Effect.scoped(MappedMemory.open("numbers")).pipe(
            Effect.provide(MappedMemory.layerAttached(place))
          )
          const error = yield* Effect.flip(attached)
          assert.strictEqual(differs(error), what, error.message)
          assert.strictEqual((yield* MappedMemory.participants).length, 1, "who was refused has left")
        })
      )
    )
  }

  it.live("reads zeros for whoever still holds it when its scope has closed [P5]", () =>
    space(() =>
      Effect.gen(function* () {
        const held = yield* Effect.scoped(
          Effect.map(MappedMemory.allocate("numbers", 8), (memory) => {
            const words = new Int32Array(memory)
            Atomics.store(words, 0, 7)
            return words
          })
        )
        assert.strictEqual(Atomics.load(held, 0), 0)
        Atomics.store(held, 0, 8)
        const again = new Int32Array(yield* MappedMemory.allocate("numbers", 8))
        assert.strictEqual(Atomics.load(again, 0), 0)
      })
    )
  )

  it.live("keeps its content for another participant when its maker removes it [P2]", () =>
    space((place) =>
      Effect.gen(function* () {
        const maker = yield* Scope.make()
        const memory = yield* Scope.provide(MappedMemory.allocate("numbers", 8), maker)
        Atomics.store(new Int32Array(memory), 0, 7)
        yield* Effect.gen(function* () {
          const words = new Int32Array(yield* MappedMemory.open("numbers"))
          yield* Scope.close(maker, Effect.runSync(Effect.exit(Effect.void)))
          assert.deepStrictEqual(fs.readdirSync(place.directory), ["test"])
          assert.strictEqual(Atomics.load(words, 0), 7)
        }).pipe(Effect.scoped, Effect.provide(MappedMemory.layerAttached(place)))
      })
    )
  )

  it.live("comes in as many as there are rows, again and again [P2]", () =>
    space(() =>
      Effect.gen(function* () {
        const some = Effect.forEach(Array.from({ length: 64 }), () =>
          Effect.flatMap(SharedMemory.SharedMemory, ({ allocate }) => allocate(8))
        )
        for (let turn = 0; turn < 3; turn++) {
          const refused = yield* Effect.scoped(
            Effect.andThen(some, Effect.flip(Effect.flatMap(SharedMemory.SharedMemory, ({ allocate }) => allocate(8))))
          )
          assert.include(refused.message, "wanted one more of its regions, found 64 in use")
        }
      })
    )
  )
})
