/**
 * Bad workers beside the gateway's own, to see what becomes of them: `npm run gateway -- --plant=worker-blocks`.
 *
 * | plant                | what it does                    | what is done about it, and until when                                  |
 * | -------------------- | ------------------------------- | ---------------------------------------------------------------------- |
 * | `worker-blocks`      | its event loop stands still     | killed 1 to 1.25 s after its last sign of life, started again          |
 * | `worker-leaks`       | keeps 40 MiB more every second  | replaced, the new one first, within 1 s of 64 MiB                      |
 * | `worker-never-ready` | does not say that it is ready   | killed after 5 s, started again                                        |
 * | `worker-flaps`       | fails 50 ms after it was ready  | started again, each time a little later                                |
 * | `bad-workers`        | all four, each in its container |                                                                        |
 *
 * Each time is told in the log when it happens, and in the report of the shutdown. More than two restarts within a minute end the container,
 * which has two workers, of which the other one is good; the gateway goes on without.
 */
import { Backend, Container, Lifecycle, ShutdownToken, TaskRegistry } from "@selvedge/core"
import { ThreadedBackend } from "@selvedge/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

const module = new URL("./worker/planted.ts", import.meta.url)

const policies = {
  "worker-blocks": { program: Backend.module(module, "blocks"), healthTimeout: "1 second" },
  "worker-leaks": {
    program: Backend.module(module, "leaks"),
    healthTimeout: "20 seconds",
    recycle: { maxMemory: 64 * 2 ** 20 }
  },
  "worker-never-ready": { program: Backend.module(module, "neverReady"), startupTimeout: "5 seconds" },
  "worker-flaps": { program: Backend.module(module, "flaps"), backoff: Schedule.exponential("100 millis") }
} as const

type Bad = keyof typeof policies

const all = Object.keys(policies) as ReadonlyArray<Bad>

export const names: ReadonlyArray<string> = [...all, "bad-workers"]

/** Until it gives up, or the gateway stops. */
const container = (name: Bad) =>
  Effect.gen(function* () {
    const intensity = { max: 2, period: "1 minute" } as const
    const planted = yield* Container.make({ name: `planted ${name}`, intensity, grace: "1 second" })
    yield* planted.run({ name, count: 2, ...policies[name] })
    yield* planted.awaitEnded
  }).pipe(Effect.scoped, Effect.ignore({ log: true }))

export const layer = (plant: string) =>
  Layer.effectDiscard(
    Effect.forEach(
      all.filter((name) => plant === name || plant === "bad-workers"),
      (name) =>
        Effect.andThen(Lifecycle.awaitReady, container(name)).pipe(
          ShutdownToken.runUntilDraining,
          TaskRegistry.spawn({ name: `planted ${name}`, kind: "Maintenance" })
        )
    )
  ).pipe(Layer.provide(ThreadedBackend.layer()))
