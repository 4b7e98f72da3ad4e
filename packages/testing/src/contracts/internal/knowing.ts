/**
 * Workers know who they are: ordinals, generations, frames.
 *
 * @internal
 */
import { Backend } from "@selvedge/core/workers/Backend"
import * as Container from "@selvedge/core/workers/Container"
import * as Effect from "effect/Effect"
import type { Case } from "./backendCase.ts"
import * as Ask from "../requests.ts"
import { claim, program, ready, within } from "./claims.ts"

export const cases: ReadonlyArray<Case> = [
  {
    title: "numbers its workers from 0 in their order, and each within its service [W1] [W3] [W4]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("patient", { count: 2 })
      yield* container.run({ name: "others", program: program("patient"), count: 2 })
      yield* within("all are ready", container.awaitReady)
      const rows = yield* container.status
      const found = rows.map((row) => [row.name, row.ordinal, row.serviceOrdinal])
      yield* claim("ordinals", found, [
        ["patient", 0, 0],
        ["patient", 1, 1],
        ["others", 2, 0],
        ["others", 3, 1]
      ])
    })
  },
  {
    title: "gives the lowest released ordinal first, and a stop that is asked for twice releases one [W1]",
    run: Effect.gen(function* () {
      const { children, container } = yield* ready("patient", { count: 3 })
      yield* within("worker 1 ends", children[1]!.stop())
      yield* children[1]!.stop()
      yield* within("worker 0 ends", children[0]!.stop())
      const next = yield* container.run({ name: "next", program: program("patient"), count: 3 })
      yield* claim(
        "ordinals",
        next.map((child) => child.ordinal),
        [0, 1, 3]
      )
    })
  },
  {
    title: "keeps the ordinal over a restart and counts the generation [W2] [flaw W2]",
    run: Effect.gen(function* () {
      const { child, container } = yield* ready("asking", { count: 1 })
      const before = yield* container.request(Ask.WhoAmI, null)
      yield* container.request(Ask.Crash, null).pipe(Effect.ignore)
      yield* within("the next life", Effect.andThen(nextLife(container, 1), child.awaitReady))
      const after = yield* container.request(Ask.WhoAmI, null)
      yield* claim("lives", [before, after].map(lifeOf), [
        [0, 1],
        [0, 2]
      ])
    })
  },
  {
    title: "counts on where an earlier place of the same ordinal ended [W2] [flaw W2]",
    run: Effect.gen(function* () {
      const { child, container } = yield* ready("patient")
      yield* within("it ends", child.stop())
      const second = yield* container.spawn({ name: "second", program: program("patient") })
      const { generation, ordinal } = yield* second.facts
      yield* claim("life", [ordinal, generation], [0, 2])
    })
  },
  {
    title: "tells a worker who it is, through whatever is between them [W3]",
    run: Effect.gen(function* () {
      const { children, container } = yield* ready("asking", { count: 2 })
      const { kind } = yield* Backend
      const { facts, parent } = yield* container.request(Ask.WhoAmI, null, { service: "asking", serviceOrdinal: 1 })
      yield* claim("what it knows is what its container knows", facts, yield* children[1]!.facts)
      yield* claim("its only frame", facts.frames, [{ kind, ordinal: 1, generation: 1, name: "asking" }])
      yield* claim("it has no parent", parent, null)
    })
  }
]

const lifeOf = ({ facts }: { readonly facts: { readonly ordinal: number; readonly generation: number } }) => [
  facts.ordinal,
  facts.generation
]

/** Waits until so many restarts have been counted. */
export const nextLife = (container: Container.Container, restarts: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    while ((yield* container.statistics).restarts < restarts) yield* Effect.sleep(5)
  })
