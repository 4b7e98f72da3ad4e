/**
 * `npm run gateway`: the gateway, until a signal.
 *
 * A layer and one call. Everything that stops in order does so because the parts spawned their fibers as tasks and
 * registered what they need at _stop accepting_ and _flush_; there is no shutdown code here. A watchdog tells when the
 * event loop is blocked, and by whom; `--plant=block` shows it. `--processes 2 --threads 2` makes the workers processes.
 */
import { Selvedge } from "@selvedge/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { parseArgs } from "node:util"
import * as Gateway from "./Gateway.ts"
import * as Plant from "./plant.ts"
import { declared } from "./Settings.ts"

const wanted = `wanted nothing (it is set by GATEWAY_* variables), --processes N, --threads N or --plant=${Plant.names.join("|")}`

/** What was asked for, or what is wrong with it. */
const read = (args: ReadonlyArray<string>): { readonly plant?: string } | string => {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { plant: { type: "string" }, processes: { type: "string" }, threads: { type: "string" } }
    })
    for (const name of ["processes", "threads"] as const) {
      const found = values[name]
      if (found === undefined) continue
      const setting = declared[name]
      if (Effect.runSyncExit(setting.check(found))._tag === "Failure") {
        return `wanted --${name} ${setting.range}, found ${JSON.stringify(found)}`
      }
      // The same as the variable: the workers see it too.
      process.env[setting.variable] = found
    }
    const { plant } = values
    if (plant === undefined) return {}
    return Plant.names.includes(plant) ? { plant } : `${wanted}, found --plant=${JSON.stringify(plant)}`
  } catch {
    return `${wanted}, found ${args.map((one) => JSON.stringify(one)).join(" ")}`
  }
}

const asked = read(process.argv.slice(2))
if (typeof asked === "string") {
  console.error(`gateway: ${asked}`)
  process.exitCode = 2
} else {
  const { plant } = asked
  Selvedge.run(plant === undefined ? Gateway.layer : Layer.merge(Gateway.layer, Plant.layer(plant)), {
    name: "gateway",
    kinds: Gateway.kinds,
    onReload: Gateway.onReload,
    watchdog: { socket: "auto" }
  })
}
