/**
 * `npm run gateway`: the gateway, until a signal.
 *
 * A layer and one call. Everything that stops in order does so because the parts spawned their fibers as tasks and
 * registered what they need at _stop accepting_ and _flush_; there is no shutdown code here.
 */
import { Selvedge } from "@selvedge/node"
import * as Gateway from "./Gateway.ts"

const [unknown] = process.argv.slice(2)

if (unknown === undefined) {
  Selvedge.run(Gateway.layer, { name: "gateway", kinds: Gateway.kinds })
} else {
  console.error(`gateway: wanted no arguments (it is set by GATEWAY_* variables), found ${JSON.stringify(unknown)}`)
  process.exitCode = 2
}
