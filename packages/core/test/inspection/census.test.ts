/**
 * Fibers nobody tracks.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Census from "@selvedge/core/inspection/Census"
import * as Dump from "@selvedge/core/inspection/Dump"
import * as DumpText from "@selvedge/core/inspection/DumpText"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

const untracked = Effect.map(Census.Census, (census) => census?.untrackedUnsafe() ?? [])

const named = (name: string) => Effect.withSpan(Effect.never, name)

/** Names of untracked fibers but for those of the test itself. */
const names = Effect.map(untracked, (seen) =>
  seen.flatMap(({ fiber }) => (fiber.cache.span?._tag === "Span" ? [fiber.cache.span.name] : []))
)

describe("a census", () => {
  it.effect("lists the fibers of no task with age and span, and none that belongs to one [D8]", () =>
    Census.during(
      Effect.gen(function* () {
        yield* Effect.forkDetach(named("poll"))
        yield* TestClock.adjust(1000)
        const second = yield* Effect.forkDetach(named("second"))
        yield* TaskRegistry.spawn(Effect.andThen(Effect.forkChild(named("of a task")), Effect.never), {
          name: "task",
          kind: "RpcHandler"
        })
        yield* TestClock.adjust(500)
        assert.deepStrictEqual(yield* names, ["poll", "second"])
        const { census } = yield* Dump.capture()
        const rows = (census?.rows ?? []).filter((row) => row.inside.length > 0)
        assert.deepStrictEqual(
          rows.map(({ ageMillis, inside }) => [inside[0]?.name, ageMillis]),
          [
            ["poll", 1500],
            ["second", 500]
          ]
        )
        assert.isAtLeast((census?.live ?? 0) - (census?.untracked ?? 0), 2)
        assert.include(DumpText.render(yield* Dump.capture()), 'inside "poll" at /')
        yield* Fiber.interrupt(second)
        assert.deepStrictEqual(yield* names, ["poll"])
      })
    ).pipe(Effect.provide(TaskRegistry.layerRoot()))
  )

  it.effect("that is not taken is not there, and the scheduler is the one that was [D8]", () =>
    Effect.gen(function* () {
      const before = yield* Scheduler.Scheduler
      assert.isUndefined(yield* Census.Census)
      assert.isNull((yield* Dump.capture()).census)
      yield* Census.during(Effect.void)
      assert.strictEqual(yield* Scheduler.Scheduler, before)
    })
  )

  it.effect("still asks the scheduler that was there [D8]", () =>
    Effect.gen(function* () {
      let asked = 0
      const inner = yield* Scheduler.Scheduler
      const counting: Scheduler.Scheduler = {
        executionMode: inner.executionMode,
        makeDispatcher: () => inner.makeDispatcher(),
        shouldYield: (fiber) => {
          asked++
          return inner.shouldYield(fiber)
        }
      }
      yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.void).pipe(
        Census.during,
        Effect.provideService(Scheduler.Scheduler, counting)
      )
      assert.isAbove(asked, 50)
    })
  )

  it.live("keeps no fiber alive that nobody can reach [D8]", () =>
    Census.during(
      Effect.gen(function* () {
        setFlagsFromString("--expose-gc")
        const collect: () => void = runInNewContext("gc")
        const fork = Effect.suspend(() => Effect.asVoid(Effect.forkDetach(named("forgotten"))))
        for (let i = 0; i < 20; i++) yield* fork
        yield* Effect.sleep(5)
        assert.lengthOf(yield* names, 20)
        for (let i = 0; i < 20 && (yield* names).length > 0; i++) {
          yield* Effect.sleep(5)
          collect()
        }
        assert.isAtMost((yield* names).length, 1)
      })
    )
  )
})
