/**
 * The HTTP server: an ordinary `NodeHttpServer`, and one line that makes it stop in order.
 *
 * It listens before the workers are started, so that a port that is taken is told at once. Until the routes are there it answers by itself: a
 * request that nobody hears would never be answered.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpStopAccepting from "@selvedge/node/http/HttpStopAccepting"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Settings } from "./Settings.ts"

/** The address cannot be listened on. */
export class CannotListen extends Data.TaggedError("CannotListen")<{
  readonly host: string
  readonly port: number
  readonly why: string
}> {
  override get message(): string {
    return `GATEWAY_PORT ${this.port} on ${this.host} cannot be used: ${this.why}`
  }
}

const meanings: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there",
  EACCES: "this user may not listen there",
  EADDRNOTAVAIL: "this machine has no such address"
}

const describe = (cause: unknown): string =>
  (cause instanceof Error && "code" in cause ? meanings[String(cause.code)] : undefined) ?? String(cause)

/** Answers while nobody else does. */
const starting = (server: Server) => (request: IncomingMessage, response: ServerResponse) => {
  if (server.listenerCount("request") > 1) return
  request.resume()
  response.writeHead(503, { "retry-after": "1", connection: "close" }).end("starting\n")
}

export const layer = Layer.unwrap(
  Effect.gen(function* () {
    const { host, port } = yield* Settings
    const server = createServer()
    server.on("request", starting(server))
    return NodeHttpServer.layer(() => server, { host, port, gracefulShutdownTimeout: "500 millis" }).pipe(
      Layer.catchTag("ServeError", ({ cause }) =>
        Layer.effectContext(Effect.fail(new CannotListen({ host, port, why: describe(cause) })))
      ),
      Layer.merge(HttpStopAccepting.layer(server, { name: "gateway listener" }))
    )
  })
)
