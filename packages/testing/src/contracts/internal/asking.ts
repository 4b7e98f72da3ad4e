/**
 * Requests reach one life and nobody else; what goes wrong is typed.
 *
 * @internal
 */
import * as Container from "@selvedge/core/workers/Container"
import type { RequestFailed } from "@selvedge/core/workers/ContainerError"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Case } from "./backendCase.ts"
import * as Ask from "../requests.ts"
import { claim, failure, holds, program, ready, within } from "./claims.ts"
import { nextLife } from "./knowing.ts"

export const cases: ReadonlyArray<Case> = [
  {
    title: "answers a request with a value, or with its typed error [W5]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("asking")
      yield* claim("value", yield* container.request(Ask.Echo, "a é ✓"), "a é ✓")
      const error = yield* failure("it refuses", container.request(Ask.Refuse, "no"))
      yield* holds("the typed error", error instanceof Ask.Refused && error.text === "no", error)
    })
  },
  {
    title: "says with the path what is wrong with a payload or an answer, and which request nobody knows [W5]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("asking", { policy: { invalidMessage: () => Effect.succeed("keep") } })
      const reasons = []
      const wrongs: ReadonlyArray<Effect.Effect<unknown, RequestFailed>> = [
        container.request(Ask.EchoNumber, 1),
        container.request(Ask.EchoToNumber, "one"),
        container.request(Ask.Unknown, null),
        container.request(Ask.Explode, null)
      ]
      for (const wrong of wrongs) {
        const error = yield* failure("it fails", wrong)
        yield* holds("it says what was wanted", error.detail.length > 0, error)
        reasons.push(error.reason)
      }
      yield* claim("reasons", reasons, ["InvalidPayload", "InvalidReply", "UnknownRequest", "HandlerDied"])
      yield* claim("the worker lives on", yield* container.request(Ask.Echo, "here"), "here")
    })
  },
  {
    title: "fails what is in flight to a worker that ends, at once, and gives nothing of it to the next one [W5]",
    needs: "isolation",
    run: Effect.gen(function* () {
      const exits: Array<WorkerExit> = []
      const policy = { exited: ({ exit }: { readonly exit: WorkerExit }) => Effect.sync(() => void exits.push(exit)) }
      const { child, container } = yield* ready("asking", { policy })
      const waiting = yield* Effect.forkChild(Effect.flip(container.request(Ask.Hang, null)))
      yield* container.request(Ask.Echo, "the other one is on its way")
      const last = yield* within("it ends", failure("it ends", container.request(Ask.Leave, null)))
      const told = yield* within("it is told", Fiber.join(waiting))
      yield* claim("errors", [last.reason, told.reason], ["WorkerGone", "WorkerGone"])
      yield* claim("how it ended", exits, [{ _tag: "Exited", exitCode: 7 }])
      yield* within("the next life", child.awaitReady)
      yield* claim("the next life answers", yield* container.request(Ask.Echo, "new"), "new")
      // Were it to hold the request of the first life, it would be waited for until the grace is over.
      const exit = yield* within("it ends", child.stop("1 minute"))
      yield* claim("it had nothing in hand", exit, { _tag: "Stopped", exitCode: 0, leftBehind: [] })
    })
  },
  {
    title: "takes no more requests in a life that is about to end by itself [W5] [W13]",
    run: Effect.gen(function* () {
      const { child, container } = yield* ready("asking")
      yield* container.request(Ask.Crash, null)
      yield* within("the next life", Effect.andThen(nextLife(container, 1), child.awaitReady))
      yield* claim("the next life answers", yield* container.request(Ask.Echo, "new"), "new")
    })
  },
  {
    title: "sends to the worker that is meant, by key or number, and in turn to any [W4]",
    run: Effect.gen(function* () {
      const { container } = yield* ready("asking", { count: 2 })
      yield* container.spawn({ name: "keyed", program: program("asking"), key: "k" })
      yield* within("all are ready", container.awaitReady)
      const who = (to?: Container.Address) =>
        Effect.map(container.request(Ask.WhoAmI, null, to), ({ facts }) => facts.ordinal)
      yield* claim("by key", yield* who({ key: "k" }), 2)
      yield* claim("by number", yield* who({ service: "asking", serviceOrdinal: 1 }), 1)
      const turns = new Set([yield* who(), yield* who(), yield* who()])
      yield* claim("in turn", turns.size, 3)
      const error = yield* failure("no such worker", who({ key: "other" }))
      yield* claim("error", error.reason, "NoWorker")
    })
  }
]
