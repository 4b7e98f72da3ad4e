/**
 * The flaws of the demonstration's service, one for each step that is broken inside it (see `steps.ts`).
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Lifecycle, TaskRegistry } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"
import { DatabaseSync } from "node:sqlite"
import { Settings } from "../Settings.ts"
import * as Look from "./look.ts"

type Response = HttpServerResponse.HttpServerResponse

const utf8 = new TextDecoder()

/** What the routes answer, spoilt. */
const spoil: Readonly<Record<string, (path: string, response: Response) => Response>> = {
  ingest: (path, response) => {
    if (path !== "/ingest" || response.body._tag !== "Uint8Array") return response
    return utf8.decode(response.body.body).includes('"rejected":0')
      ? response
      : HttpServerResponse.empty({ status: 400 })
  },
  readiness: (path, response) => (path === "/ready" ? HttpServerResponse.text("ready\n") : response),
  stream: (path, response) =>
    path === "/stream" && response.body._tag === "Stream"
      ? HttpServerResponse.stream(
          Stream.filter(response.body.stream, (bytes) => !utf8.decode(bytes).startsWith("event: bye")),
          { contentType: "text/event-stream" }
        )
      : response
}

export const middleware = (flaw: string | undefined) => {
  const spoilt = flaw === undefined ? undefined : spoil[flaw]
  if (spoilt === undefined) return Layer.empty
  return HttpRouter.middleware(
    (route) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
        Effect.map(route, (response) => spoilt(request.url, response))
      ),
    { global: true }
  )
}

/** A server nobody registered: it accepts until its scope closes. */
export const openServer = Layer.unwrap(
  Effect.map(Settings, ({ host, port }) => NodeHttpServer.layer(() => createServer(), { host, port }))
)

const BLOCKED_MILLIS = 30_000

export const layer = (flaw: string | undefined) => {
  switch (flaw) {
    case "inflight":
      return Layer.effectDiscard(Lifecycle.onStopAccepting("impatience", TaskRegistry.abort("ingest")))
    case "budget":
      return Layer.effectDiscard(
        Lifecycle.onFlush(
          "a loop blocked for long",
          Effect.sync(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCKED_MILLIS))
        )
      )
    case "exit":
      return Layer.effectDiscard(Effect.sync(() => process.on("exit", () => process.kill(process.pid, "SIGKILL"))))
    default:
      return Layer.empty
  }
}

/** Loses a row of every snapshot behind the gateway's back. */
export const postStop = (flaw: string | undefined) =>
  flaw === "snapshot"
    ? Effect.sync(() => {
        for (const path of Look.filesOf(process.env["GATEWAY_DB"]!)) {
          const db = new DatabaseSync(path)
          db.exec("DELETE FROM aggregate WHERE key = (SELECT min(key) FROM aggregate)")
          db.close()
        }
      })
    : Effect.void
