/**
 * The contract of a region: its size, its content, who sees it, how threads sleep on it, and how long it lasts.
 *
 * @internal
 */
import { SharedMemory } from "@selvedge/core/memory/SharedMemory"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import type { Case } from "./memoryCase.ts"
import { claim, holds } from "./claims.ts"

const allocate = (bytes: number) => Effect.flatMap(SharedMemory, (memory) => memory.allocate(bytes))

const sizes: Case = {
  title: "a region is a SharedArrayBuffer of zeros, of at least the bytes asked for",
  run: Effect.gen(function* () {
    for (const bytes of [1, 4, 4095, 4096, 65_536, 65_537, 300_000]) {
      const memory = yield* allocate(bytes)
      yield* holds("it is a SharedArrayBuffer", memory instanceof SharedArrayBuffer)
      yield* holds(`it has ${bytes} bytes`, memory.byteLength >= bytes, memory.byteLength)
      yield* holds(
        "it is zeroed",
        new Uint8Array(memory).every((byte) => byte === 0)
      )
    }
  })
}

const refusals: Case = {
  title: "a size that cannot be is refused as AllocationFailed",
  run: Effect.forEach(
    [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53],
    (bytes) =>
      Effect.flatMap(Effect.flip(allocate(bytes)), (error) => claim(`${bytes} bytes`, error._tag, "AllocationFailed")),
    { discard: true }
  )
}

const apart: Case = {
  title: "twenty regions at a time do not touch one another",
  run: Effect.gen(function* () {
    const all = yield* Effect.forEach(Array.from({ length: 20 }), () => allocate(10_000))
    for (const [i, memory] of all.entries()) new Uint8Array(memory).fill(i + 1)
    for (const [i, memory] of all.entries()) {
      yield* holds(
        `region ${i} is as it was written`,
        new Uint8Array(memory).every((byte) => byte === i + 1)
      )
    }
  })
}

const TURNS = 50_000

/** Runs a body in a thread that has the memory as `memory` and as `words`; it is there when this succeeds. */
const thread = (memory: SharedArrayBuffer, body: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const code = `const { parentPort, workerData: memory } = require("node:worker_threads")
        const words = new Int32Array(memory)
        parentPort.postMessage("ready")
        ${body}`
      const worker = new Worker(code, { eval: true, workerData: memory })
      await once(worker, "message")
      return worker
    }),
    (worker) => Effect.promise(() => worker.terminate())
  )

const ended = (worker: Worker) =>
  Effect.promise(() => (worker.threadId === -1 ? Promise.resolve() : once(worker, "exit").then(() => undefined)))

const exact: Case = {
  title: "compare-and-exchange is exact between two threads",
  run: Effect.gen(function* () {
    const memory = yield* allocate(8)
    const words = new Int32Array(memory)
    const count = `let done = 0
      while (done < ${TURNS}) {
        const seen = Atomics.load(words, 0)
        if (Atomics.compareExchange(words, 0, seen, seen + 1) === seen) done++
      }`
    const others = [yield* thread(memory, count), yield* thread(memory, count)]
    yield* Effect.forEach(others, ended)
    yield* claim("increments", Atomics.load(words, 0), 2 * TURNS)
  })
}

const sleeping: Case = {
  title: "a thread that sleeps on a word is woken by another, and a fiber too",
  run: Effect.gen(function* () {
    const memory = yield* allocate(256)
    const words = new Int32Array(memory)
    const sleeper = yield* thread(
      memory,
      `while (Atomics.load(words, 0) === 0) Atomics.wait(words, 0, 0)
       Atomics.store(words, 32, 1)
       Atomics.notify(words, 32)`
    )
    const waiting = Atomics.waitAsync(words, 32, 0)
    yield* holds("a fiber can wait", waiting.async)
    Atomics.store(words, 0, 1)
    Atomics.notify(words, 0)
    if (waiting.async) yield* claim("how the wait ended", yield* Effect.promise(() => waiting.value), "ok")
    yield* ended(sleeper)
    yield* claim("a wait that is over", Atomics.wait(words, 1, 0, 1), "timed-out")
  })
}

const lasting: Case = {
  title: "whoever still holds a region when its scope has closed does no harm, and the next one is zeroed",
  run: Effect.gen(function* () {
    const held = yield* Effect.scoped(Effect.map(allocate(1000), (memory) => new Int32Array(memory)))
    for (let i = 0; i < held.length; i++) Atomics.store(held, i, -1)
    const next = yield* allocate(1000)
    yield* holds(
      "it is zeroed",
      new Uint8Array(next).every((byte) => byte === 0)
    )
  })
}

/** @internal */
export const cases: ReadonlyArray<Case> = [sizes, refusals, apart, exact, sleeping, lasting]
