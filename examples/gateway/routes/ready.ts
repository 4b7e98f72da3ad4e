/**
 * `GET /ready`: 200 while requests should come here. 503 from the moment somebody asked the gateway to stop, and while it refuses events
 * because there is no room for them; the answer says why.
 */
import { Lifecycle } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import { Workers } from "../Workers.ts"

const ready = Effect.gen(function* () {
  const isReady = yield* Lifecycle.isReady
  const obstacle = yield* Workers.use(({ obstacle }) => obstacle)
  if (isReady && Option.isNone(obstacle)) return HttpServerResponse.text("ready\n")
  const why = isReady && Option.isSome(obstacle) ? `: ${obstacle.value}` : ""
  return HttpServerResponse.text(`not ready${why}\n`, { status: 503 })
})

export const layer = HttpRouter.add("GET", "/ready", ready)
