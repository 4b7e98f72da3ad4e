/**
 * Tasks that are planted into the gateway to be looked at: `npm run gateway -- --plant=block`.
 *
 * Each begins two seconds after the gateway is ready, and again every ten seconds.
 */
import { Lifecycle, ShutdownToken, TaskRegistry, Watchdog } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PlantedWorkers from "./plantedWorkers.ts"

const MILLIS = 3000

/** Holds the event loop, as somebody does who sorts a large array: nothing else runs meanwhile. */
const holdTheLoop = Effect.sync(() => {
  const end = process.hrtime.bigint() + BigInt(MILLIS) * 1_000_000n
  let sum = 0
  while (process.hrtime.bigint() < end) sum += Math.sqrt(sum + 1)
  return sum
})

const planted = {
  /** Blocks the loop for 3 s: the watchdog says so after one. */
  block: holdTheLoop.pipe(Effect.withSpan("sorting everything")),
  /** The same, announced: the watchdog says nothing. */
  long: Watchdog.expectLong(holdTheLoop, "5 seconds"),
  /** Waits for something that never comes: a dump on SIGQUIT says for what. */
  stuck: Effect.never.pipe(Effect.withSpan("payment.confirm"))
} as const

type Task = keyof typeof planted

const isTask = (name: string): name is Task => Object.hasOwn(planted, name)

export const names: ReadonlyArray<string> = [...Object.keys(planted), ...PlantedWorkers.names]

/** One of the names; bad workers are planted by `plantedWorkers.ts`. */
export const layer = (plant: string) => (isTask(plant) ? task(plant) : PlantedWorkers.layer(plant))

const task = (plant: Task) =>
  Layer.effectDiscard(
    Effect.andThen(Lifecycle.awaitReady, Effect.sleep("2 seconds")).pipe(
      Effect.andThen(
        planted[plant].pipe(
          Effect.andThen(Effect.logInfo(`planted ${plant}: done`)),
          Effect.andThen(Effect.sleep("10 seconds")),
          Effect.forever
        )
      ),
      ShutdownToken.runUntilDraining,
      TaskRegistry.spawn({ name: `planted ${plant}`, kind: "Maintenance" })
    )
  )
