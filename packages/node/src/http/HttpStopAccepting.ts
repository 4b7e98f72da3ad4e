/**
 * What a `node:http` server does when its service stops accepting.
 *
 * Closing a listener is not enough: a kept-alive connection goes on delivering requests for as long as its client likes,
 * and a response whose last bytes are still on their way is cut when the process leaves. `register` puts both in order
 * for a server somebody else made, listens with and answers with; `NodeHttpServer` of `@effect/platform-node` needs no
 * change.
 *
 * | when             | new connections | idle ones | requests being answered      | new requests on kept-alive ones |
 * | ---------------- | --------------- | --------- | ---------------------------- | ------------------------------- |
 * | running          | accepted        | kept      | answered                     | answered                        |
 * | _stop accepting_ | refused         | closed    | answered, `Connection: close` | 503, `Connection: close`        |
 * | _flush_          | refused         | closed    | waited for, at the end cut   | 503, `Connection: close`        |
 *
 * From _stop accepting_ on a spawn answers `RegistryClosed`, so the 503 is what a handler would have said, only sooner.
 *
 * **Invariants**
 *
 * 1. A request the server began to answer before _stop accepting_ is never refused here.
 * 2. The hook of _stop accepting_ waits for nothing: tasks drain at once.
 * 3. No byte of an answer is lost to a client that reads, however much of it is still unsent when the stop comes.
 * 4. The hook of _flush_ ends before its deadline, with whatever clients still read slowly cut and counted in the log.
 *
 * Source: graceful close as load balancers expect it (RFC 9112, section 9.6).
 *
 * @since 0.1.0
 */
import * as Lifecycle from "@selvedge/core/service/Lifecycle"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as DiagnosticsChannel from "node:diagnostics_channel"
import type * as Http from "node:http"
import * as Net from "node:net"

/** What the last, slow clients are cut before the end of _flush_, so that the hook itself is never late. */
const MARGIN = Duration.millis(100)

/** Node publishes here before it hands a request to anybody, `Expect: 100-continue` included. */
const REQUEST_STARTED = "http.server.request.start"

interface RequestStarted {
  readonly server: Http.Server
  readonly response: Http.ServerResponse
}

/** A listener, and every response it has begun and not ended. */
class Door {
  private readonly answering = new Set<Http.ServerResponse>()
  private readonly waiting = new Set<() => void>()
  private readonly server: Http.Server
  private isClosed = false

  constructor(server: Http.Server) {
    this.server = server
  }

  readonly watch = (message: unknown): void => {
    const { response, server } = message as RequestStarted
    if (server !== this.server) return
    this.answering.add(response)
    response.once("close", () => this.answered(response))
  }

  get answeringCount(): number {
    return this.answering.size
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    // Not `server.close`: that one also closes connections it takes for idle, see `closeIdle`.
    Net.Server.prototype.close.call(this.server)
    for (const event of ["request", "checkContinue", "checkExpectation", "upgrade"]) {
      this.server.removeAllListeners(event)
    }
    this.server.on("request", refuse)
    for (const response of this.answering) if (!response.headersSent) response.setHeader("connection", "close")
    this.closeIdle()
  }

  /**
   * To Node (26) a connection is idle as soon as its response was ended, and it is destroyed with bytes still unsent. So
   * while any response is in that state nobody is closed; the last of them comes here again.
   */
  private closeIdle(): void {
    for (const response of this.answering) if (response.writableEnded) return
    this.server.closeIdleConnections()
  }

  private answered(response: Http.ServerResponse): void {
    this.answering.delete(response)
    // Its headers may have promised a kept-alive connection; it is idle now.
    if (this.isClosed) this.closeIdle()
    if (this.answering.size > 0) return
    const waiting = Array.from(this.waiting)
    this.waiting.clear()
    for (const wake of waiting) wake()
  }

  readonly allAnswered: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.answering.size === 0) return resume(Effect.void)
    const wake = (): void => resume(Effect.void)
    this.waiting.add(wake)
    return Effect.sync(() => this.waiting.delete(wake))
  })
}

const refuse = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
  const body = "this service is stopping\n"
  response.writeHead(503, {
    connection: "close",
    "content-type": "text/plain",
    "content-length": Buffer.byteLength(body)
  })
  response.end(body)
  // Read to its end: unread bytes would turn the close into a reset, and the client might never see the answer.
  request.resume()
}

/**
 * Registers a server with the surrounding service.
 *
 * **Details**
 *
 * At _stop accepting_ the listener closes, idle connections are closed, responses still to be sent carry
 * `Connection: close`, and a new request on a kept-alive connection is answered 503. Requests in flight go on: tasks are
 * drained by their kinds, and at _flush_ it is waited until the last response has left, for as long as _flush_ may take.
 *
 * **Errors**: none.
 *
 * **Gotchas**
 *
 * At _stop accepting_ the server's `request`, `checkContinue`, `checkExpectation` and `upgrade` listeners are removed.
 * Upgraded connections are not counted: give each a `PeerConnection` task that closes it.
 *
 * @category operations
 * @since 0.1.0
 */
export const register = (
  server: Http.Server,
  options?: { readonly name?: string | undefined }
): Effect.Effect<void, never, Lifecycle.Lifecycle | ShutdownToken.ShutdownToken | Scope.Scope> =>
  Effect.gen(function* () {
    const name = options?.name ?? "http server"
    const door = new Door(server)
    yield* Effect.acquireRelease(
      Effect.sync(() => DiagnosticsChannel.subscribe(REQUEST_STARTED, door.watch)),
      () => Effect.sync(() => DiagnosticsChannel.unsubscribe(REQUEST_STARTED, door.watch))
    )
    yield* Lifecycle.onStopAccepting(
      name,
      Effect.sync(() => door.close())
    )
    yield* Lifecycle.onFlush(name, lastAnswers(name, server, door))
  })

const lastAnswers = (
  name: string,
  server: Http.Server,
  door: Door
): Effect.Effect<void, never, ShutdownToken.ShutdownToken> =>
  Effect.gen(function* () {
    const patience = Duration.subtract(yield* ShutdownToken.remaining, MARGIN)
    const inTime = yield* Effect.timeoutOption(door.allAnswered, patience)
    if (Option.isSome(inTime)) return
    yield* Effect.logWarning(`${name}: ${door.answeringCount} response(s) not read to the end by their clients: cut`)
    server.closeAllConnections()
  })

/**
 * The same as a layer.
 *
 * **Example** (An HTTP service that stops in order)
 *
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { HttpStopAccepting, Selvedge } from "@selvedge/node"
 * import { Layer } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 * import { createServer } from "node:http"
 *
 * const server = createServer()
 *
 * const App = HttpRouter.serve(HttpRouter.add("GET", "/", HttpServerResponse.text("hello"))).pipe(
 *   Layer.provide(NodeHttpServer.layer(() => server, { host: "127.0.0.1", port: 0 })),
 *   Layer.merge(HttpStopAccepting.layer(server))
 * )
 *
 * Selvedge.run(App)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  server: Http.Server,
  options?: { readonly name?: string | undefined }
): Layer.Layer<never, never, Lifecycle.Lifecycle | ShutdownToken.ShutdownToken> =>
  Layer.effectDiscard(register(server, options))
