/**
 * Workers of ours, from their container's side.
 */
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Readiness from "@selvedge/core/ring/Readiness"
import * as Ring from "@selvedge/core/ring/Ring"
import * as Backend from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as ForkedBackend from "@selvedge/node/workers/ForkedBackend"
import * as ThreadedBackend from "@selvedge/node/workers/ThreadedBackend"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { check, percentiles, type Sample } from "../harness.ts"
import { Double, Item, TakeAll } from "./echo.ts"

export type Kind = "threads" | "processes"

const backend = (kind: Kind) =>
  Layer.merge(kind === "threads" ? ThreadedBackend.layer() : ForkedBackend.layer(), Logger.layer([]))

const here = (file: string): URL => new URL(file, import.meta.url)
const program = Backend.module(here("./program.ts"))

const run = <A, E>(
  kind: Kind,
  effect: Effect.Effect<A, E, Backend.Backend | import("effect/Scope").Scope>
): Promise<A> => Effect.runPromise(effect.pipe(Effect.scoped, Effect.provide(backend(kind))))

/** Milliseconds from the start to ready; the module has been checked by the first one, which is not counted. */
export const startToReady = (kind: Kind, starts: number): Promise<Sample> =>
  run(
    kind,
    Effect.gen(function* () {
      const container = yield* Container.make()
      const millis: Array<number> = []
      for (let at = 0; at <= starts; at++) {
        const begin = performance.now()
        const child = yield* container.spawn({ name: "program", program, restart: "temporary" })
        yield* child.awaitReady
        if (at > 0) millis.push(performance.now() - begin)
        yield* child.stop("2 seconds")
      }
      return percentiles(millis)
    })
  )

/** Milliseconds from the death of a life to the next one's being ready. */
export const crashToReady = (kind: Kind, crashes: number): Promise<Sample> =>
  run(
    kind,
    Effect.gen(function* () {
      const links: Array<Backend.Link> = []
      let diedAt = 0
      const real = yield* Backend.Backend
      const watched: Backend.Shape = {
        ...real,
        start: (request, listener) => {
          const exited: Backend.Listener["exited"] = (exit) => {
            diedAt = performance.now()
            listener.exited(exit)
          }
          return Effect.tap(real.start(request, { ...listener, exited }), (link) => Effect.sync(() => links.push(link)))
        }
      }
      const container = yield* Effect.provideService(
        Container.make({ intensity: { max: crashes + 1, period: "1 hour" } }),
        Backend.Backend,
        watched
      )
      const child = yield* container.spawn({ name: "program", program })
      yield* child.awaitReady
      const millis: Array<number> = []
      for (let at = 1; at <= crashes; at++) {
        links.at(-1)!.kill()
        while ((yield* container.statistics).restarts < at) yield* Effect.sleep(1)
        yield* child.awaitReady
        millis.push(performance.now() - diedAt)
      }
      return percentiles(millis)
    })
  )

/** Microseconds of one request after the other. */
export const roundTrip = (requests: number): Promise<Sample> =>
  run(
    "threads",
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.spawn({ name: "echo", program: Backend.module(here("./echo.ts")) })
      yield* container.awaitReady
      const micros: Array<number> = []
      for (let at = 0; at < requests * 1.2; at++) {
        const begin = performance.now()
        const answer = yield* container.request(Double, at)
        if (at >= requests * 0.2) micros.push((performance.now() - begin) * 1000)
        check(answer === at * 2, `${at} doubled is ${answer}`)
      }
      return percentiles(micros)
    })
  )

/** Nanoseconds an item takes from here into a worker, in batches of 64. */
export const throughTheRing = (items: number): Promise<number> =>
  run(
    "threads",
    Effect.gen(function* () {
      const ring = yield* Ring.make({ record: Item, capacity: 8192, requiredConsumers: 1 })
      const producer = yield* Producer.make(ring)
      const container = yield* Container.make()
      yield* container.spawn({
        name: "taking",
        program: Backend.module(here("./echo.ts"), "taking"),
        regions: { ring: ring.core.memory }
      })
      yield* container.awaitReady
      const taken = yield* Effect.forkChild(container.request(TakeAll, items))
      yield* Readiness.awaitConsumers(ring, { count: 1 })
      const begin = performance.now()
      for (let at = 0; at < items; at += 64) {
        yield* Producer.publishWith(producer, 64, (slot, i) => {
          slot.n = at + i
        })
      }
      const sum = yield* Fiber.join(taken)
      const nanos = ((performance.now() - begin) * 1e6) / items
      check(sum === items * (items - 1), `the sum of ${items} items is ${sum}`)
      return nanos
    }).pipe(Effect.provide(SharedMemory.layerThread))
  )
