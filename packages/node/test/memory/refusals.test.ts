/** What stands in the place of a space's files, or goes away under its participants: refused, typed, and nobody is the worse for it. */
import { assert, describe, it } from "@effect/vitest"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { freshDirectory, space } from "./fixtures/space.ts"

const messageOf = <A>(layer: Layer.Layer<A, MappedMemory.MappingError>) =>
  Effect.map(Effect.flip(Effect.scoped(Layer.build(layer))), (error) => error.message)

/** Listens there and is killed, so that its socket stays. */
const leaveSocket = (file: string): void => {
  const listen = `require("net").createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, "SIGKILL"))`
  spawnSync(process.execPath, ["-e", listen])
  fs.chmodSync(file, 0o600)
}

const leaveQueue = (file: string): void => {
  spawnSync("mkfifo", ["-m", "600", file])
}

describe("in the place of a space", () => {
  const found = [
    ["a socket", leaveSocket, /its kind differs: wanted a file, found a socket/],
    ["a named pipe", leaveQueue, /its kind differs: wanted a file, found something else/],
    [
      "a file of another user",
      (file: string) => (fs.writeFileSync(file, "", { mode: 0o600 }), fs.chownSync(file, 1234, 1234)),
      /wanted a file of user 0, found one of user 1234/
    ]
  ] as const

  for (const [what, leave, message] of found) {
    it.live.runIf(what !== "a file of another user" || process.getuid?.() === 0)(
      `${what} is refused by who owns and who attaches [P2]`,
      () =>
        Effect.gen(function* () {
          const directory = yield* freshDirectory
          fs.mkdirSync(directory, { mode: 0o700 })
          leave(path.join(directory, "test"))
          assert.match(yield* messageOf(MappedMemory.layerMapped({ directory, name: "test" })), message)
          assert.match(yield* messageOf(MappedMemory.layerAttached({ directory, name: "test" })), message)
        }).pipe(Effect.scoped)
    )
  }

  it.live("a directory whose name is too long is refused [P2]", () =>
    Effect.gen(function* () {
      const directory = path.join(yield* freshDirectory, "..", "x".repeat(300))
      const message = yield* messageOf(MappedMemory.layerMapped({ directory, name: "test" }))
      assert.match(message, /its directory differs: wanted a directory it can be made in, found ENAMETOOLONG/)
    }).pipe(Effect.scoped)
  )
})

describe("options", () => {
  it.live("that nobody knows, and times that are none, are refused before anything is touched [P2]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const place = { directory, name: "test" }
      const misspelt = { ...place, maxParticipant: 3 }
      assert.strictEqual(
        yield* messageOf(MappedMemory.layerMapped(misspelt)),
        'maxParticipant: wanted one of the options directory, name, maxParticipants, leftovers, found "maxParticipant"'
      )
      for (const timeout of [Number.NaN, -1, "soon" as never]) {
        const message = yield* messageOf(MappedMemory.layerAttached({ ...place, timeout }))
        assert.match(message, /^timeout: wanted a duration from 0 to Infinity, found (NaN|-1|"soon")$/)
      }
      assert.deepStrictEqual(fs.existsSync(directory) ? fs.readdirSync(directory) : [], [])
      yield* space(() =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(MappedMemory.open("numbers", { timeout: "soon" as never }))
          assert.match(error.message, /^timeout: wanted a duration/)
          const unknown = yield* Effect.flip(MappedMemory.open("numbers", { timeuot: 1 } as object))
          assert.match(unknown.message, /^timeuot: wanted one of the options timeout/)
        })
      )
    }).pipe(Effect.scoped)
  )
})

describe("a region's file", () => {
  const gone = [
    ["nothing", (file: string) => fs.rmSync(file), "none"],
    ["a socket", (file: string) => (fs.rmSync(file), leaveSocket(file)), "a socket"],
    ["a named pipe", (file: string) => (fs.rmSync(file), leaveQueue(file)), "something else"],
    ["a directory", (file: string) => (fs.rmSync(file), fs.mkdirSync(file)), "a directory"],
    ["a link", (file: string) => (fs.renameSync(file, `${file}x`), fs.symlinkSync(`${file}x`, file)), "a symbolic link"]
  ] as const

  for (const [what, change, found] of gone) {
    it.live(`that has become ${what} is refused, and the space is still left in order [P2] [P5]`, () =>
      Effect.gen(function* () {
        const directory = yield* space(
          (place) =>
            Effect.gen(function* () {
              yield* MappedMemory.allocate("numbers", 8)
              change(path.join(place.directory, "test.1"))
              const opening = Effect.scoped(MappedMemory.open("numbers"))
              const error = yield* Effect.flip(Effect.provide(opening, MappedMemory.layerAttached(place)))
              assert.include(error.message, `its kind differs: wanted a file, found ${found}`)
              assert.strictEqual((yield* MappedMemory.participants).length, 1, "who was refused has left")
              return place.directory
            }),
          {}
        )
        assert.isFalse(fs.existsSync(path.join(directory, "test")), "the owner has removed its space")
      })
    )
  }

  it.live("that its maker removes while it is being opened is waited for as one that was never there [P2]", () =>
    space((place) =>
      Effect.gen(function* () {
        const maker = yield* Scope.make()
        yield* Scope.provide(MappedMemory.allocate("numbers", 8), maker)
        yield* Effect.gen(function* () {
          const { core } = yield* MappedMemory.MappedMemory
          const { locks } = core.control.door
          let isGone = false
          const removing = {
            // The mutex is given back when the region was found, before its file is opened.
            give: (fd: number, byte: number) => {
              locks.give(fd, byte)
              if (!isGone) Effect.runSync(Scope.close(maker, Exit.void))
              isGone = true
            }
          }
          Object.assign(core.control.door, { locks: { ...locks, ...removing } })
          const error = yield* Effect.flip(MappedMemory.open("numbers", { timeout: 50 }))
          assert.match(error.message, /wanted a region "numbers", found none within \d+ ms/)
        }).pipe(Effect.scoped, Effect.provide(MappedMemory.layerAttached(place)))
      })
    )
  )
})
