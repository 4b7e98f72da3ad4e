import { assert, describe, it } from "@effect/vitest"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import { MemoryUse } from "@selvedge/core/workers/MemoryUse"
import * as Pulse from "@selvedge/core/workers/Pulse"
import * as WorkerMessage from "@selvedge/core/workers/WorkerMessage"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import { WorkerStatus } from "@selvedge/core/workers/WorkerStatus"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Signs } from "../../src/workers/internal/signs.ts"
import { quietly } from "../service/stage.ts"
import { lives, on, pass, patient, settle } from "./stage.ts"

/** The signs of a life as its supervisor sees them. */
const signsOf = (line: Pulse.Line): Signs => {
  const signs = new Signs()
  signs.follow(line)
  return signs
}

describe("a pulse", () => {
  it("shows beats, progress and the memory of the last beat to who reads it [W7]", () => {
    const line = Pulse.make(3)
    const reader = Pulse.read(line)
    assert.isFalse(reader.isAdoptedUnsafe())
    const writer = Pulse.adopt(line)!
    assert.isTrue(reader.isAdoptedUnsafe())
    assert.strictEqual(reader.memoryBytesUnsafe(), undefined)
    writer.beatUnsafe(5 * 1024 * 1024 + 1023)
    writer.beatUnsafe()
    writer.progressUnsafe()
    // In whole KiB.
    const seen = [reader.beatsUnsafe(), reader.progressUnsafe(), reader.memoryBytesUnsafe()]
    assert.deepStrictEqual(seen, [2, 1, 5 * 1024 * 1024])
  })

  it("is one life's: another one neither takes it nor is seen in it [W7] [W2]", () => {
    const line = Pulse.make(1)
    const other = { ...line, life: 2 }
    assert.isDefined(Pulse.adopt(line))
    assert.strictEqual(Pulse.adopt(other), undefined)
    assert.isFalse(Pulse.read(other).isAdoptedUnsafe())
    assert.isDefined(Pulse.adopt(line))
  })

  it("is empty for the next life once it was renewed, and the lines beside it are as they were [W7] [W2]", () => {
    const memory = new SharedArrayBuffer(3 * Pulse.BYTES)
    const lines = [0, 1, 2].map((index) => ({ memory, index, life: index + 1 }))
    for (const line of lines) Pulse.adopt(line)!.beatUnsafe(7 * 1024)
    const next = { memory, index: 1, life: 4 }
    Pulse.renewUnsafe(next)
    const read = (line: Pulse.Line) => {
      const reader = Pulse.read(line)
      return [reader.isAdoptedUnsafe(), reader.beatsUnsafe(), reader.memoryBytesUnsafe()]
    }
    assert.deepStrictEqual(read(next), [false, 0, undefined])
    Pulse.adopt(next)!.beatUnsafe()
    const beaten = [true, 1, 7 * 1024]
    assert.deepStrictEqual([lines[0]!, next, lines[2]!].map(read), [beaten, [true, 1, undefined], beaten])
    assert.isFalse(Pulse.read(lines[1]!).isAdoptedUnsafe())
  })

  it("keeps figures no word can hold at what a word can hold [W7]", () => {
    const line = Pulse.make(1)
    const [reader, writer] = [Pulse.read(line), Pulse.adopt(line)!]
    writer.beatUnsafe(2 ** 52)
    assert.strictEqual(reader.memoryBytesUnsafe(), (2 ** 32 - 1) * 1024)
    writer.beatUnsafe(1)
    assert.strictEqual(reader.memoryBytesUnsafe(), 1024)
  })

  it("goes on over the end of its words [W7]", () => {
    const line = Pulse.make(1)
    const [signs, writer] = [signsOf(line), Pulse.adopt(line)!]
    new Uint32Array(line.memory)[1] = 2 ** 32 - 1
    signs.begin(0)
    writer.beatUnsafe()
    assert.strictEqual(Pulse.read(line).beatsUnsafe(), 0)
    signs.look(10)
    assert.strictEqual(signs.beats.at, 10)
  })
})

describe("a supervisor that was held up", () => {
  const timeout = 1000

  it("judges nobody by a look that comes late, and by the next one whoever is still silent [W7]", () => {
    const signs = new Signs()
    signs.begin(0)
    assert.isFalse(signs.beats.isMissing(30_000, timeout, true))
    assert.isTrue(signs.beats.isMissing(30_250, timeout, true))
  })

  it("sees what was written meanwhile, and waits for the whole timeout from then on [W7]", () => {
    const line = Pulse.make(1)
    const [signs, writer] = [signsOf(line), Pulse.adopt(line)!]
    signs.begin(0)
    writer.beatUnsafe()
    signs.look(30_000)
    assert.isFalse(signs.beats.isMissing(30_000, timeout, true))
    assert.isFalse(signs.beats.isMissing(30_999, timeout, false))
    assert.isTrue(signs.beats.isMissing(31_000, timeout, false))
  })

  it("doubts every silence anew [W7]", () => {
    const signs = new Signs()
    signs.begin(0)
    assert.isFalse(signs.beats.isMissing(5000, timeout, true))
    signs.heard(false, undefined, 5001)
    assert.isFalse(signs.beats.isMissing(9000, timeout, true))
    assert.isTrue(signs.beats.isMissing(9250, timeout, false))
  })
})

/** A worker whose part the test plays. */
interface Played {
  readonly pulse: Pulse.Line | undefined
  readonly listener: Backend.Listener
  readonly heard: Array<WorkerMessage.ToWorker | WorkerMessage.InvalidMessage>
}

const playing = (played: Array<Played>): Backend.Shape => ({
  name: "played",
  kind: "thread",
  check: () => Effect.void,
  start: (request, listener) =>
    Effect.sync(() => {
      const heard: Played["heard"] = []
      const pulse = request.isJudged ? Pulse.make(request.context.generation) : undefined
      played.push({ pulse, listener, heard })
      return {
        send: (wire) => heard.push(WorkerMessage.readToWorker(wire)) > 0,
        kill: () => listener.exited({ _tag: "Exited", exitCode: 1 }),
        place: "here",
        pulse
      }
    })
})

const play = <A, E>(
  spec: Partial<Container.ServiceSpec>,
  test: (
    container: Container.Container,
    played: ReadonlyArray<Played>,
    exits: ReadonlyArray<WorkerExit>
  ) => Effect.Effect<A, E>
) => {
  const played: Array<Played> = []
  const exits: Array<WorkerExit> = []
  const policy = { exited: ({ exit }: { readonly exit: WorkerExit }) => Effect.sync(() => void exits.push(exit)) }
  return Effect.gen(function* () {
    const container = yield* Container.make({ policy, grace: 0 })
    yield* container.run({ name: "w", program: patient, count: 1, ...spec })
    yield* settle
    played[0]!.listener.message({ _tag: "Ready" })
    yield* settle
    return yield* test(container, played, exits)
  }).pipe(Effect.scoped, Effect.provideService(Backend.Backend, playing(played)), quietly([]))
}

describe("a worker that is judged", () => {
  it.effect("is asked to beat four times within its timeout, and shows its beats without a message [W7]", () =>
    play({ healthTimeout: "1 second" }, (container, played) =>
      Effect.gen(function* () {
        const { heard, pulse: line } = played[0]!
        assert.deepStrictEqual(heard, [{ _tag: "Beat", everyMillis: 250 }])
        const pulse = Pulse.adopt(line!)!
        for (let i = 0; i < 40; i++) {
          pulse.beatUnsafe(i * 1024)
          yield* TestClock.adjust(250)
        }
        const [row] = yield* container.status
        assert.deepStrictEqual([row?.state, row?.generation, row?.memoryBytes], ["Ready", 1, 39 * 1024])
        yield* TestClock.adjust(100)
        assert.isAtMost((yield* container.status)[0]!.beatAgeMillis!, 350)
      })
    )
  )

  it.effect("is killed within five quarters of its timeout once its beats stay away [W7]", () =>
    play({ healthTimeout: "1 second" }, (_, played, exits) =>
      Effect.gen(function* () {
        const pulse = Pulse.adopt(played[0]!.pulse!)!
        yield* TestClock.adjust(990)
        pulse.beatUnsafe()
        yield* TestClock.adjust(999)
        assert.strictEqual(exits.length, 0)
        yield* TestClock.adjust(251)
        yield* settle
        assert.deepStrictEqual(exits, [{ _tag: "Killed", reason: "health timeout" }])
      })
    )
  )

  it.effect("gains nothing by what the life before it still writes [W7] [W2]", () =>
    play({ healthTimeout: "1 second" }, (_, played, exits) =>
      Effect.gen(function* () {
        const first = played[0]!
        const late = Pulse.adopt(first.pulse!)!
        first.listener.exited({ _tag: "Exited", exitCode: 1 })
        yield* settle
        const second = played[1]!
        second.listener.message({ _tag: "Ready" })
        assert.notStrictEqual(second.pulse!.memory, first.pulse!.memory)
        for (let i = 0; i < 5; i++) {
          late.beatUnsafe()
          yield* TestClock.adjust(250)
        }
        yield* settle
        assert.deepStrictEqual(exits.slice(1), [{ _tag: "Killed", reason: "health timeout" }])
      })
    )
  )

  it.effect("lives by its messages where its pulse did not arrive [W7]", () =>
    play({ healthTimeout: "1 second" }, (container, played, exits) =>
      Effect.gen(function* () {
        const { listener } = played[0]!
        for (let i = 0; i < 20; i++) {
          listener.message({ _tag: "Healthy", memoryBytes: 4096 })
          yield* TestClock.adjust(900)
        }
        assert.deepStrictEqual([exits, (yield* container.status)[0]!.memoryBytes], [[], 4096])
        yield* TestClock.adjust(500)
        yield* settle
        assert.deepStrictEqual(exits, [{ _tag: "Killed", reason: "health timeout" }])
      })
    )
  )

  it.effect("costs its supervisor a timer for each look, and none where nobody judges it [W7]", () =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let sleeps = 0
      const counting: Clock.Clock = Object.assign(Object.create(clock), {
        sleep: (time: Duration.Duration) =>
          Effect.andThen(
            Effect.sync(() => void sleeps++),
            clock.sleep(time)
          )
      })
      const after = (spec: Partial<Container.ServiceSpec>) =>
        play(spec, (_, played) =>
          Effect.gen(function* () {
            const { pulse } = played[0]!
            const writer = pulse && Pulse.adopt(pulse)
            const before = sleeps
            for (let i = 0; i < 40; i++) {
              writer?.beatUnsafe()
              yield* TestClock.adjust(250)
              yield* settle
            }
            return sleeps - before
          })
        )
      const judged = yield* Effect.provideService(after({ healthTimeout: "1 second" }), Clock.Clock, counting)
      const left = yield* Effect.provideService(after({}), Clock.Clock, counting)
      assert.deepStrictEqual([judged, left], [40, 0])
    })
  )

  it.effect("has no pulse and is asked for no beats where nobody judges it [W7]", () =>
    play({}, (container, played) =>
      Effect.gen(function* () {
        const { heard, pulse } = played[0]!
        yield* pass(60_000)
        const { beatAgeMillis, memoryBytes } = (yield* container.status)[0]!
        assert.deepStrictEqual([heard, pulse, beatAgeMillis, memoryBytes], [[], undefined, undefined, undefined])
      })
    )
  )
})

describe("the memory of a worker", () => {
  it.effect("is measured in it at every beat, and shown [W7]", () => {
    let bytes = 1_048_576
    return Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "w", program: patient, count: 1, healthTimeout: "1 second" })
      const measured = Effect.map(container.status, ([row]) => row?.memoryBytes)
      yield* pass(249)
      assert.strictEqual(yield* measured, undefined)
      yield* pass(1)
      assert.strictEqual(yield* measured, 1_048_576)
      bytes = 7 * 1_048_576
      yield* pass(250)
      assert.strictEqual(yield* measured, 7 * 1_048_576)
    }).pipe(
      on(),
      Effect.provideService(MemoryUse, () => bytes)
    )
  })
})

/** Gets on every so often until a moment, and then only turns its loop. */
const gettingOn = (everyMillis: number, untilMillis: number): Backend.ProgramRef =>
  Backend.direct(
    Effect.flatMap(WorkerStatus, (status) =>
      Effect.andThen(
        Effect.repeat(Effect.andThen(Effect.sleep(everyMillis), status.healthy), {
          times: untilMillis / everyMillis - 1
        }),
        Effect.never
      )
    )
  )

describe("a worker that is judged by its progress", () => {
  it.effect("is killed when its program gets nowhere, though its loop turns; the policy hears which [W7] [W8]", () =>
    Effect.gen(function* () {
      const told: Array<unknown> = []
      const container = yield* Container.make({
        policy: {
          healthFailed: ({ missing }) => Effect.sync(() => (told.push(missing), "kill" as const)),
          exited: ({ exit }) => Effect.sync(() => void told.push(exit))
        }
      })
      yield* container.run({
        name: "w",
        program: gettingOn(500, 10_000),
        count: 1,
        healthTimeout: "1 second",
        progressTimeout: "2 seconds"
      })
      yield* pass(11_999)
      assert.deepStrictEqual(told, [])
      yield* pass(501)
      assert.deepStrictEqual(told, ["progress", { _tag: "Killed", reason: "progress timeout" }])
      assert.deepStrictEqual(yield* lives, ["w 0.2"])
      assert.deepStrictEqual((yield* container.status)[0]!.lastExit, { _tag: "Killed", reason: "progress timeout" })
    }).pipe(on())
  )

  it.effect("is named as blocked, not as slow, when its loop does not turn [W7]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      const workers = yield* TestContainer.TestContainer
      const timeouts = { healthTimeout: "1 second", progressTimeout: "1 second" } as const
      yield* container.run({ name: "w", program: gettingOn(100, 60_000), count: 1, ...timeouts })
      yield* pass(5000)
      yield* workers.freeze(0)
      yield* pass(1250)
      assert.deepStrictEqual((yield* container.status)[0]!.lastExit, { _tag: "Killed", reason: "health timeout" })
    }).pipe(on())
  )

  it.effect("lives on without beats for as long as it gets on [W7]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.run({ name: "w", program: gettingOn(900, 54_000), count: 1, progressTimeout: "1 second" })
      yield* pass(50_000)
      assert.deepStrictEqual(yield* lives, ["w 0.1"])
      assert.strictEqual((yield* container.status)[0]!.beatAgeMillis, undefined)
    }).pipe(on())
  )
})
