/**
 * The jobs of the tasks part, done with `TaskRegistry`.
 */
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { check, startWatch } from "../harness.ts"
import { afterTheOthers, lifeOf, memoryOf } from "./shared.ts"

/** A registry that lives as long as the process. */
const makeRegistry = async (): Promise<TaskRegistry.Shape> => {
  const scope = Scope.makeUnsafe()
  const context = await Effect.runPromise(Layer.buildWithScope(TaskRegistry.layerRoot(), scope))
  return Context.get(context, TaskRegistry.TaskRegistry)
}

export const spawn = async (start: { readonly startImmediately: boolean }): Promise<number> => {
  const registry = await makeRegistry()
  return lifeOf({
    spawn: (work) => registry.spawn(work, { name: "short", kind: "RpcHandler", ...start }),
    live: () => Effect.runSync(registry.size)
  })
}

export const memory = async (count: number): Promise<number> => {
  const registry = await makeRegistry()
  return memoryOf(
    count,
    (effect, i) => Effect.as(registry.spawn(effect, { name: "long", kind: "PeerConnection" }), i),
    () => Effect.runSync(registry.size)
  )
}

/** Milliseconds from `joinAll` to its end, everybody's own interruption or end included. */
const join = async (
  count: number,
  body: Effect.Effect<unknown, never, ShutdownToken.ShutdownToken>,
  deadline: TaskRegistry.Deadline,
  expected: (exit: Exit.Exit<void, unknown>) => boolean
): Promise<number> => {
  const registry = await makeRegistry()
  return Effect.runPromise(
    Effect.gen(function* () {
      for (let i = 0; i < count; i++) yield* registry.spawn(body, { name: "long", kind: "PeerConnection" })
      yield* afterTheOthers
      globalThis.gc?.()
      const elapsed = startWatch("cpu")
      const exit = yield* Effect.exit(registry.joinAll(deadline))
      const millis = elapsed() / 1e6
      const size = yield* registry.size
      check(size === 0 && expected(exit), `nobody is left, found ${size}; ${exit._tag}`)
      return millis
    }) as Effect.Effect<number>
  )
}

/** Nobody heeds the token: all are stragglers of a deadline that has passed, and each is reported. */
export const joinStragglers = (count: number): Promise<number> => join(count, Effect.never, 0, Exit.isFailure)

/** Everybody waits for the token and ends by itself. */
export const joinHeeding = (count: number): Promise<number> =>
  join(count, ShutdownToken.awaitDraining, "1 minute", Exit.isSuccess)
