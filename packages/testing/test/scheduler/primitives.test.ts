/**
 * No false alarms: what Effect promises must hold in every order the explorer takes. A scheduler that resumes a fiber twice,
 * drops a task, or runs a fiber that was told to end breaks one of these first.
 */
import { describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { FiberExplorer } from "@selvedge/testing"

const expect = (good: boolean, why: string) => (good ? Effect.void : Effect.fail(why))
const operation = Effect.sync(() => {})
const programs: Record<string, Effect.Effect<void, unknown, Scope.Scope>> = {
  "a semaphore lets in as many as it has permits, and loses none to interruption": Effect.gen(function* () {
    const sem = yield* Semaphore.make(2)
    let inside = 0,
      most = 0
    const job = sem.withPermits(1)(
      Effect.acquireUseRelease(
        Effect.sync(() => {
          most = Math.max(most, ++inside)
        }),
        () => Effect.andThen(operation, Effect.sleep(5)),
        () =>
          Effect.sync(() => {
            inside--
          })
      )
    )
    const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], () => Effect.forkChild(job))
    yield* operation
    yield* Fiber.interrupt(fibers[1]!)
    yield* Fiber.interrupt(fibers[3]!)
    yield* Fiber.awaitAll(fibers)
    yield* expect(most <= 2 && inside === 0, "inside " + most)
    yield* expect(yield* sem.takeIfAvailable(2), "permits lost")
  }),
  "a bounded queue hands on each item once": Effect.gen(function* () {
    const q = yield* Queue.bounded<number>(2)
    const got: number[] = []
    const produce = (n: number) => Effect.forEach([0, 1, 2, 3], (i) => Queue.offer(q, n * 10 + i))
    const consumers = yield* Effect.forEach([1, 2], () =>
      Effect.forkChild(
        Effect.forever(
          Effect.map(Queue.take(q), (n) => {
            got.push(n)
          })
        )
      )
    )
    yield* Effect.all([produce(1), produce(2), produce(3)], { concurrency: "unbounded" })
    yield* Effect.sleep(1)
    yield* Fiber.interruptAll(consumers)
    yield* expect(got.length === 12 && new Set(got).size === 12, "got " + got.join())
  }),
  "a race has one winner and releases the loser": Effect.gen(function* () {
    const events: Array<string> = []
    const note = (event: string) => Effect.sync(() => events.push(event))
    const slow = Effect.acquireUseRelease(
      note("acquired"),
      () => Effect.sleep(100),
      () => note("released")
    )
    const winner = yield* Effect.race(slow, Effect.as(Effect.sleep(10), "fast"))
    yield* expect(winner === "fast", "the slow one won")
    yield* expect(["", "acquired,released"].includes(events.join()), events.join())
    const late = yield* Effect.exit(Effect.timeout(Effect.never, 50))
    yield* expect(Exit.isFailure(late), "no timeout")
  }),
  "a deferred is completed once, for all waiters alike": Effect.gen(function* () {
    const d = yield* Deferred.make<number>()
    const waiters = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(Deferred.await(d)))
    const all = yield* Effect.all([Deferred.succeed(d, 1), Deferred.succeed(d, 2)], { concurrency: "unbounded" })
    yield* expect(all.filter(Boolean).length === 1, "twice")
    const values = yield* Fiber.joinAll(waiters)
    yield* expect(new Set(values).size === 1, "differ")
  }),
  "what was acquired is released, whenever the fiber is interrupted": Effect.gen(function* () {
    let acquired = 0,
      released = 0
    const use = Effect.acquireUseRelease(
      Effect.sync(() => {
        acquired++
      }),
      () => Effect.andThen(operation, Effect.forkChild(Effect.never)).pipe(Effect.andThen(operation)),
      () =>
        Effect.andThen(
          operation,
          Effect.sync(() => {
            released++
          })
        )
    )
    const fibers = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(use))
    yield* Effect.forEach(fibers, Fiber.interrupt, { concurrency: "unbounded" })
    yield* expect(acquired === released, `a ${acquired} r ${released}`)
  }),
  "a closed scope has ended its fibers": Effect.gen(function* () {
    const scope = yield* Scope.make()
    let open = 0
    const fibers = yield* Effect.forEach([1, 2, 3], () =>
      Effect.forkIn(
        Effect.acquireUseRelease(
          Effect.sync(() => {
            open++
          }),
          () => Effect.never,
          () =>
            Effect.sync(() => {
              open--
            })
        ),
        scope
      )
    )
    yield* operation
    yield* Scope.close(scope, Exit.void)
    yield* Fiber.awaitAll(fibers)
    yield* expect(open === 0, "open " + open)
  }),
  "a fiber set is empty after its fibers have run": Effect.gen(function* () {
    let n = 0
    yield* Effect.scoped(
      Effect.gen(function* () {
        const set = yield* FiberSet.make<void>()
        yield* Effect.forEach([1, 2, 3], () =>
          FiberSet.run(
            set,
            Effect.andThen(
              operation,
              Effect.sync(() => {
                n++
              })
            )
          )
        )
        yield* FiberSet.awaitEmpty(set)
      })
    )
    yield* expect(n === 3, "n " + n)
  }),
  "every subscriber gets every message in order": Effect.gen(function* () {
    const hub = yield* PubSub.bounded<number>(2)
    const subs = yield* Effect.all([PubSub.subscribe(hub), PubSub.subscribe(hub)])
    const fibers = yield* Effect.forEach(subs, (s) =>
      Effect.forkChild(Effect.forEach([1, 2, 3, 4], () => PubSub.take(s)))
    )
    yield* Effect.forEach([1, 2, 3, 4], (n) => PubSub.publish(hub, n))
    for (const f of fibers) yield* expect((yield* Fiber.join(f)).join() === "1,2,3,4", "order")
  }),
  "a stream with concurrency keeps its order": Effect.gen(function* () {
    const out = yield* Stream.range(1, 20).pipe(
      Stream.mapEffect((n) => Effect.as(operation, n), { concurrency: 4 }),
      Stream.buffer({ capacity: 4 }),
      Stream.runCollect
    )
    yield* expect(Array.from(out).join() === Array.from({ length: 20 }, (_, i) => i + 1).join(), "stream")
  })
}
describe("in every order", () => {
  for (const [promise, program] of Object.entries(programs)) {
    it.live(`${promise} [M3]`, () => FiberExplorer.verify(program, { seeds: 200 }))
  }
})
