/** What the dead leave in a space's tables, and what those who come next can do all the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Control from "../../src/memory/internal/control.ts"
import { door, joined, taken } from "../../src/memory/internal/joining.ts"
import * as Layout from "../../src/memory/internal/layout.ts"
import type { Watcher } from "../../src/memory/internal/watcher.ts"
import { Numbered } from "./fixtures/numbered.ts"
import { freshDirectory, participant, space } from "./fixtures/space.ts"

const few = (directory: string) => MappedMemory.layerMapped({ directory, name: "test", maxParticipants: 2 })

describe("when everybody was killed", () => {
  it.live("the next owner has a place, also if the dead have taken all, and gives theirs back [P3]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const owner = yield* participant(directory, "test", "ownFew", "2", "numbers")
      yield* Effect.promise(() => owner.ready())
      const other = yield* participant(directory, "test", "stay", "numbers")
      yield* Effect.promise(() => other.ready())
      yield* Effect.promise(() => Promise.all([owner.kill(), other.kill()]))
      // This one has nothing to be recovered: its place is free again as soon as one is wanted.
      const second = yield* participant(directory, "test", "ownFew", "2")
      yield* Effect.promise(() => second.ready())
      yield* Effect.promise(() => second.kill())
      yield* Effect.gen(function* () {
        const memory = yield* MappedMemory.open("numbers")
        const attach = Effect.scoped(Layer.build(MappedMemory.layerAttached({ directory, name: "test" })))
        const full = yield* Effect.flip(attach)
        assert.match(
          full.message,
          /wanted one more of its participants, found 2 in use; 2 of them dead and not recovered/
        )
        yield* MappedMemory.recover(memory, () => Effect.succeed(true))
        while ((yield* MappedMemory.participants).length > 1) yield* Effect.sleep(10)
        // It still counts: there are two at a time.
        const scope = yield* Effect.scope
        yield* Layer.buildWithScope(MappedMemory.layerAttached({ directory, name: "test" }), scope)
        const third = yield* Effect.flip(attach)
        assert.match(third.message, /wanted one more of its participants, found 2 in use$/)
      }).pipe(Effect.scoped, Effect.provide(few(directory)))
    }).pipe(Effect.scoped)
  )

  it.live(
    "a space is adopted with as many participants as it was made for, never silently with fewer or more [P2]",
    () =>
      Effect.gen(function* () {
        const directory = yield* freshDirectory
        const place = { directory, name: "test" }
        const owner = yield* participant(directory, "test", "ownFew", "2", "numbers")
        yield* Effect.promise(() => owner.ready())
        yield* Effect.promise(() => owner.kill())
        const before = fs.readFileSync(path.join(directory, "test"))
        for (const maxParticipants of [1, 3, 16]) {
          const layer = MappedMemory.layerMapped({ ...place, maxParticipants })
          const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
          assert.strictEqual(
            error.message,
            `${directory}/test is refused, its number of participants differs: wanted a space with room for ${maxParticipants}, as declared, found one for 2, to be adopted with as many or replaced`
          )
        }
        assert.isTrue(before.equals(fs.readFileSync(path.join(directory, "test"))), "it was left as it was")
        const opened = Effect.asVoid(MappedMemory.open("numbers"))
        yield* Effect.scoped(Effect.provide(opened, MappedMemory.layerMapped(place)))
        const again = MappedMemory.layerMapped({ ...place, maxParticipants: 3 })
        yield* Effect.scoped(Layer.build(again))
      }).pipe(Effect.scoped)
  )

  it.live("a region that was being made can be made at once [P3]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const owner = yield* participant(directory, "test", "ownMaking", "numbers")
      yield* Effect.promise(() => owner.ready())
      yield* Effect.promise(() => owner.killed())
      assert.deepStrictEqual(fs.readdirSync(directory).toSorted(), ["test", "test.1"])
      const made = Effect.map(MappedMemory.allocate("numbers", 8), () => fs.readdirSync(directory).toSorted())
      const layer = MappedMemory.layerMapped({ directory, name: "test" })
      assert.deepStrictEqual(yield* Effect.scoped(Effect.provide(made, layer)), ["test", "test.2"])
    }).pipe(Effect.scoped)
  )
})

describe("when the owner has gone in order", () => {
  it.live(
    "regions of those who were killed later are removed by who makes the next space, and nothing else is [P2]",
    () =>
      Effect.gen(function* () {
        const directory = yield* freshDirectory
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(MappedMemory.layerMapped({ directory, name: "test" }), scope)
        const other = yield* participant(directory, "test", "make", "theirs")
        yield* Effect.promise(() => other.ready())
        yield* Scope.close(scope, Exit.void)
        yield* Effect.promise(() => other.kill())
        const foreign = ["test.8", "test.x", "other.1"]
        for (const name of foreign) fs.writeFileSync(path.join(directory, name), "not a region", { mode: 0o600 })
        assert.deepStrictEqual(fs.readdirSync(directory).toSorted(), ["other.1", "test.1", "test.8", "test.x"])
        yield* Effect.scoped(Layer.build(MappedMemory.layerMapped({ directory, name: "test" })))
        assert.deepStrictEqual(fs.readdirSync(directory).toSorted(), foreign.toSorted())
      }).pipe(Effect.scoped)
  )
})

describe("a region without a name", () => {
  it.live("goes with the last who has it open, and keeps nobody's place [P3] [P5]", () =>
    space(({ directory, name }) =>
      Effect.gen(function* () {
        const { control } = (yield* MappedMemory.MappedMemory).core
        const files = () => fs.readdirSync(directory).toSorted()
        const one = yield* participant(directory, name, "make", "")
        yield* Effect.promise(() => one.ready())
        const kept = Effect.gen(function* () {
          // Its serial stands where a name would.
          yield* MappedMemory.open("1")
          yield* Effect.promise(() => one.kill())
          while (!Control.rowsOf(control).some((row) => Control.stateOf(control, row) === Layout.DEAD)) {
            yield* Effect.sleep(10)
          }
          assert.deepStrictEqual(files(), ["test", "test.1"])
        })
        yield* Effect.scoped(kept)
        yield* MappedMemory.allocate("2", 8)
        assert.deepStrictEqual([files(), (yield* MappedMemory.participants).length], [["test", "test.2"], 1])
        const other = yield* participant(directory, name, "make", "", "4")
        yield* Effect.promise(() => other.ready())
        assert.deepStrictEqual(files(), ["test", "test.2", "test.3", "test.4"])
        yield* Effect.promise(() => other.kill())
        while (files().includes("test.3")) yield* Effect.sleep(10)
        // A name is a name, though it be the serial.
        assert.deepStrictEqual(files(), ["test", "test.2", "test.4"])
      })
    )
  )
})

describe("a participant", () => {
  it.live("goes on noting deaths when a stopped process had the mutex for too long [P3]", () =>
    space((place) =>
      Effect.gen(function* () {
        const memory = yield* MappedMemory.allocate("numbers", 8)
        const told: Array<number> = []
        yield* MappedMemory.recover(memory, ({ pid }) => Effect.sync(() => told.push(pid) > 0))
        const other = yield* participant(place.directory, place.name, "stay", "numbers")
        yield* Effect.promise(() => other.ready())
        const { control } = (yield* MappedMemory.MappedMemory).core
        // A lock belongs to an open file: this one is another process as far as the lock goes.
        const fd = fs.openSync(path.join(place.directory, place.name), "r+")
        assert.isTrue(control.door.locks.take(fd, Layout.MUTEX_BYTE))
        yield* Effect.promise(() => other.kill())
        // Longer than anybody waits for it.
        yield* Effect.sleep(2600)
        assert.deepStrictEqual(told, [])
        fs.closeSync(fd)
        while (told.length === 0) yield* Effect.sleep(10)
        assert.deepStrictEqual(told, [other.process.pid])
      })
    )
  )

  it.live("tries a recovery that fails again, once in a second, and in the end it is done [P3]", () =>
    space((place) =>
      Effect.gen(function* () {
        const memory = yield* MappedMemory.allocate("numbers", 8)
        const tries: Array<number> = []
        const done = yield* Deferred.make<void>()
        yield* MappedMemory.recover(memory, () =>
          Effect.suspend(() => {
            tries.push(performance.now())
            if (tries.length < 3) throw new Error("planted: not yet")
            return Effect.as(Deferred.succeed(done, undefined), true)
          })
        )
        const other = yield* participant(place.directory, place.name, "stay", "numbers")
        yield* Effect.promise(() => other.ready())
        yield* Effect.promise(() => other.kill())
        yield* Deferred.await(done)
        const [first = 0, , third = 0] = tries
        assert.strictEqual(tries.length, 3)
        assert.isAtLeast(third - first, 1990)
        while ((yield* MappedMemory.participants).length > 1) yield* Effect.sleep(10)
      })
    )
  )

  it.live("keeps a region that it opens again while it gives it back [P1]", () =>
    space((place) =>
      Effect.gen(function* () {
        yield* MappedMemory.allocate("numbers", 8)
        yield* Effect.gen(function* () {
          const { core } = yield* MappedMemory.MappedMemory
          const first = yield* Scope.make()
          yield* Scope.provide(MappedMemory.open("numbers"), first)
          const { locks } = core.control.door
          let turn = 0
          const busyOnce = (fd: number, byte: number): boolean => turn++ > 0 && locks.take(fd, byte)
          Object.assign(core.control.door, { locks: { ...locks, take: busyOnce } })
          const leaving = yield* Effect.forkChild(Scope.close(first, Exit.void), { startImmediately: true })
          yield* MappedMemory.open("numbers")
          yield* Fiber.join(leaving)
          assert.isAbove(turn, 2, "it came first, and was done last")
          assert.isTrue(Layout.hasOpened(core.control.words, core.row, 0))
        }).pipe(Effect.scoped, Effect.provide(MappedMemory.layerAttached(place)))
      })
    )
  )

  it.live("is woken although somebody has written to the list of bells [P4]", () =>
    space((place) =>
      Effect.gen(function* () {
        const ring = yield* Ring.make({ record: Numbered, capacity: 4 }).pipe(MappedMemory.named("numbers"))
        const { words } = (yield* MappedMemory.MappedMemory).core.control
        words[Layout.regionWord(0) + Layout.FIRST_BELL] = 2 ** 30
        yield* Effect.gen(function* () {
          const memory = yield* MappedMemory.open("numbers")
          const other = yield* Ring.attach(yield* MappedMemory.handle(memory), { record: Numbered })
          const consumer = yield* Consumer.make(other, { id: "a" })
          const taking = yield* Effect.forkChild(Effect.map(Consumer.take(consumer), ({ value }) => value))
          yield* Effect.sleep(150)
          yield* Producer.publish(yield* Producer.make(ring), { who: 1, value: 2 })
          assert.strictEqual(yield* Fiber.join(taking), 2)
        }).pipe(Effect.scoped, Effect.provide(MappedMemory.layerAttached(place)))
      })
    )
  )

  it.live("has another watcher when its own has ended, which wakes it and notes deaths as before [P4]", () =>
    space((place) =>
      Effect.gen(function* () {
        const ring = yield* Ring.make({ record: Numbered, capacity: 4 }).pipe(MappedMemory.named("numbers"))
        const told = yield* Deferred.make<number>()
        const dead = yield* participant(place.directory, place.name, "stay", "numbers")
        yield* Effect.promise(() => dead.ready())
        const warned = new Promise<Error>((resolve) => process.once("warning", resolve))
        yield* Effect.gen(function* () {
          const memory = yield* MappedMemory.open("numbers")
          yield* MappedMemory.recover(memory, ({ pid }) => Deferred.succeed(told, pid))
          const { core } = yield* MappedMemory.MappedMemory
          const { watcher } = core as unknown as { readonly watcher: Watcher }
          // No memory has such a size.
          watcher.tell({ _tag: "Watch", region: 63, memory: -1 as never })
          assert.match((yield* Effect.promise(() => warned)).message, /the watcher of .* has ended, another one takes/)
          watcher.tell({ _tag: "Forget", region: 63 })
          const other = yield* Ring.attach(yield* MappedMemory.handle(memory), { record: Numbered })
          const consumer = yield* Consumer.make(other, { id: "a" })
          const taking = yield* Effect.forkChild(Effect.map(Consumer.take(consumer), ({ value }) => value))
          yield* Effect.sleep(150)
          yield* Producer.publish(yield* Producer.make(ring), { who: 1, value: 2 })
          assert.strictEqual(yield* Fiber.join(taking), 2)
          yield* Effect.promise(() => dead.kill())
          assert.strictEqual(yield* Deferred.await(told), dead.process.pid)
        }).pipe(Effect.scoped, Effect.provide(MappedMemory.layerAttached(place)))
      })
    )
  )

  it.live("that is one of many in a thread adds no listener of its own to the process [P4]", () =>
    space(
      (place) =>
        Effect.gen(function* () {
          const before = process.listenerCount("exit")
          yield* Effect.scoped(
            Effect.gen(function* () {
              for (let i = 0; i < 12; i++) yield* Layer.build(MappedMemory.layerAttached(place))
              assert.strictEqual(process.listenerCount("exit"), before)
            })
          )
          assert.strictEqual(process.listenerCount("exit"), before)
        }),
      { maxParticipants: 64 }
    )
  )

  it.live("that cannot have a watcher is told so, and leaves a space only if it holds something [P2] [P5]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      fs.mkdirSync(directory, { mode: 0o700 })
      const file = path.join(directory, "test")
      const native = yield* door
      // What cannot be handed to a thread keeps it from being started.
      const withoutWatcher = Effect.suspend(() =>
        taken({ ...Control.own(native, file, 2, "adopt"), memory: (() => undefined) as never }, () => {})
      )
      const error = yield* Effect.flip(withoutWatcher)
      assert.match(error.message, /wanted a watcher, found DataCloneError/)
      assert.deepStrictEqual(fs.readdirSync(directory), [])
      const owner = yield* participant(directory, "test", "ownFew", "2", "numbers")
      yield* Effect.promise(() => owner.ready())
      yield* Effect.promise(() => owner.kill())
      yield* Effect.flip(withoutWatcher)
      assert.deepStrictEqual(fs.readdirSync(directory), ["test", "test.1"])
    }).pipe(Effect.scoped)
  )

  it.live("whose space is removed before it has a place waits for another one [P2]", () =>
    space((place) =>
      Effect.gen(function* () {
        const { control } = (yield* MappedMemory.MappedMemory).core
        const { door } = control
        const file = path.join(place.directory, place.name)
        const removing = {
          ...door,
          // Its file is open by now.
          addressOf: (memory: SharedArrayBuffer) => {
            fs.rmSync(file, { force: true })
            return door.addressOf(memory)
          }
        }
        const error = yield* Effect.flip(joined(removing, file, 50, () => undefined))
        assert.match(error.message, /wanted a space with a living owner \(no file\), found none within/)
      })
    )
  )

  it.live("that has left is told so, whatever its descriptor is now [P2]", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(MappedMemory.layerMapped({ directory, name: "test" }), scope)
      const { control } = Context.get(context, MappedMemory.MappedMemory).core
      yield* Scope.close(scope, Exit.void)
      const opened: Array<number> = []
      do opened.push(fs.openSync(path.join(directory, "other"), "w+"))
      while ((opened.at(-1) ?? 0) < control.fd)
      for (const use of [MappedMemory.allocate("numbers", 8), MappedMemory.open("numbers", { timeout: 0 })]) {
        const error = yield* Effect.flip(
          Effect.scoped(
            Effect.provideContext(
              use as typeof use &
                Effect.Effect<SharedArrayBuffer, { readonly message: string }, MappedMemory.MappedMemory | Scope.Scope>,
              context
            )
          )
        )
        assert.match(error.message, /wanted a space that is open here, found none/)
      }
      for (const fd of opened) fs.closeSync(fd)
      assert.deepStrictEqual(fs.readdirSync(directory), ["other"])
    }).pipe(Effect.scoped)
  )
})
