/**
 * A thread whose handler throws, for `threads.test.ts`: it attaches with the handle it was posted, first with a schema that is not the
 * ring's, and dies of the record with the number 5.
 */
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Record from "@selvedge/core/memory/Record"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { isMainThread, parentPort, workerData } from "node:worker_threads"

export const Numbered = Record.struct({ n: Record.f64 })

const main = Effect.gen(function* () {
  const handle = workerData as Ring.Handle
  const refused = yield* Effect.flip(Ring.attach(handle, { record: Record.struct({ n: Record.i32 }) }))
  const ring = yield* Ring.attach(handle, { record: Numbered, role: "dedicated" })
  const consumer = yield* Consumer.make(ring, { id: "faulty" })
  parentPort?.postMessage(refused.differs)
  const wait = Consumer.waitWith(WaitStrategy.park)
  while (Consumer.awaitBlockingUnsafe(consumer, wait)) {
    consumer.processUnsafe(({ n }) => {
      if (n === 5) throw new Error("cannot handle 5")
    }, 4)
  }
})

if (!isMainThread) await Effect.runPromise(Effect.provideService(main, Scope.Scope, Scope.makeUnsafe()))
