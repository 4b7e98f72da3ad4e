/**
 * `GET /ready`: 200 while requests should come here, 503 from the moment somebody asked the gateway to stop.
 */
import { Lifecycle } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

const ready = Effect.map(Lifecycle.isReady, (ready) =>
  ready ? HttpServerResponse.text("ready\n") : HttpServerResponse.text("not ready\n", { status: 503 })
)

export const layer = HttpRouter.add("GET", "/ready", ready)
