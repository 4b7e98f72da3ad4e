/**
 * `npm run gateway`: the gateway, until a signal.
 *
 * A layer and one call. Everything that stops in order does so because the parts spawned their fibers as tasks and
 * registered what they need at _stop accepting_ and _flush_; there is no shutdown code here. A watchdog tells when the
 * event loop is blocked, and by whom; `--plant=block` shows it.
 */
import { Selvedge } from "@selvedge/node"
import * as Layer from "effect/Layer"
import * as Gateway from "./Gateway.ts"
import * as Plant from "./plant.ts"

const [argument, ...more] = process.argv.slice(2)
const plant = argument?.startsWith("--plant=") === true ? argument.slice("--plant=".length) : undefined

if ((argument === undefined || (plant !== undefined && Plant.isPlant(plant))) && more.length === 0) {
  const layer = plant === undefined ? Gateway.layer : Layer.merge(Gateway.layer, Plant.layer(plant as Plant.Plant))
  Selvedge.run(layer, { name: "gateway", kinds: Gateway.kinds, watchdog: { socket: "auto" } })
} else {
  const wanted = `nothing (it is set by GATEWAY_* variables) or --plant=${Plant.names.join("|")}`
  console.error(`gateway: wanted ${wanted}, found ${JSON.stringify(more[0] ?? argument)}`)
  process.exitCode = 2
}
