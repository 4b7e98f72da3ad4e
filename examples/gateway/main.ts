/**
 * `npm run gateway`: the gateway, until a signal.
 *
 * A layer and one call. Everything that stops in order does so because the parts spawned their fibers as tasks and
 * registered what they need at _stop accepting_ and _flush_; there is no shutdown code here. A watchdog tells when the
 * event loop is blocked, and by whom; `--plant=block` shows it. `--processes 2 --threads 2` makes the workers processes.
 */
import { Selvedge } from "@selvedge/node"
import * as Layer from "effect/Layer"
import * as Arguments from "./Arguments.ts"
import * as Gateway from "./Gateway.ts"
import * as Plant from "./plant.ts"

const asked = Arguments.read(process.argv.slice(2))
if (typeof asked === "string") {
  console.error(`gateway: ${asked}`)
  process.exitCode = 2
} else {
  const { plant, variables } = asked
  Object.assign(process.env, variables)
  Selvedge.run(plant === undefined ? Gateway.layer : Layer.merge(Gateway.layer, Plant.layer(plant)), {
    name: "gateway",
    kinds: Gateway.kinds,
    onReload: Gateway.onReload,
    watchdog: { socket: "auto" }
  })
}
