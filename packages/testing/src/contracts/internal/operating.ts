/**
 * Workers replaced, added and taken away while they are asked all the time: nobody who asks notices.
 *
 * @internal
 */
import type * as Container from "@selvedge/core/workers/Container"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Case } from "./backendCase.ts"
import * as Ask from "../requests.ts"
import { claim, holds, program, ready, within } from "./claims.ts"

/** Asks from four sides while something is done; gives what went wrong, and how many were answered. */
const whileAsked = <A, E, R>(container: Container.Container, operation: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const found = { answered: 0, wrong: [] as Array<string> }
    let isOver = false
    const ask = Effect.matchEffect(container.request(Ask.Echo, "x"), {
      onSuccess: () => Effect.sync(() => void found.answered++),
      onFailure: (error) => Effect.sync(() => void found.wrong.push(error.message))
    })
    const asking = Effect.whileLoop({
      while: () => !isOver,
      body: () => Effect.andThen(ask, Effect.sleep(1)),
      step: () => undefined
    })
    const sides = yield* Effect.forEach([1, 2, 3, 4], () => Effect.forkChild(asking, { startImmediately: true }))
    const value = yield* Effect.ensuring(
      operation,
      Effect.sync(() => {
        isOver = true
      })
    )
    yield* Fiber.joinAll(sides)
    return { ...found, value }
  })

const ordinals = (container: Container.Container) =>
  Effect.map(container.status, (rows) => rows.map(({ ordinal }) => ordinal))

export const cases: ReadonlyArray<Case> = [
  {
    title: "loses no request over a restart, which leaves new workers only [W11] [W5]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("asking", { count: 2 })
      const { answered, value, wrong } = yield* within("it restarts", whileAsked(container, container.restart()))
      yield* claim("requests that failed", wrong, [])
      yield* holds("some were answered", answered > 0, answered)
      yield* claim("outcome", [value.retired, value.leftBehind], [2, []])
      yield* claim("ordinals", yield* ordinals(container), [2, 3])
    })
  },
  {
    title: "goes on with its old workers when the new cannot be built, and says why [W11]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("asking")
      const reload = container.reload((spawner) =>
        spawner.run({ name: "asking", program: program("broken"), count: 1 })
      )
      const { value, wrong } = yield* within("it fails", whileAsked(container, Effect.flip(reload)))
      yield* claim("error", value._tag, "RolloutFailed")
      yield* holds("it says why", value.message.includes("cannot be built"), value)
      yield* claim("requests that failed", wrong, [])
      yield* claim("ordinals", yield* ordinals(container), [0])
    })
  },
  {
    title: "scales from one worker to three and back without losing a request [W14] [W5]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("asking")
      const scaling = Effect.gen(function* () {
        yield* container.scale("asking", 3)
        const three = yield* ordinals(container)
        yield* container.scale("asking", 1)
        return three
      })
      const { value, wrong } = yield* within("it scales", whileAsked(container, scaling))
      yield* claim("requests that failed", wrong, [])
      yield* claim("ordinals", [value, yield* ordinals(container)], [[0, 1, 2], [0]])
    })
  },
  {
    title: "replaces a worker after so many requests, the new one first, without losing any [W14] [W5]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("asking", { recycle: { maxRequests: 20 } })
      const recycled = Effect.gen(function* () {
        while ((yield* container.statistics).recycles < 2) yield* Effect.sleep(5)
      })
      const { wrong } = yield* within("it is recycled twice", whileAsked(container, recycled))
      yield* claim("requests that failed", wrong, [])
      yield* claim("restarts", (yield* container.statistics).restarts, 0)
    })
  }
]
