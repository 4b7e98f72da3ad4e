/** Real sockets against a real server, inside the life of a service. */
import { assert, it } from "@effect/vitest"
import * as Main from "@selvedge/core/service/Main"
import * as Signals from "@selvedge/core/service/Signals"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as HttpStopAccepting from "@selvedge/node/http/HttpStopAccepting"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { createServer, type RequestListener, type Server } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"

/** A client that sees bytes. */
class Client {
  readonly socket: Socket
  received = ""
  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1")
    this.socket.setEncoding("latin1").on("data", (text: string) => (this.received += text))
    this.socket.on("error", () => {})
  }
  readonly send = (text: string) => Effect.sync(() => void this.socket.write(text))
  readonly until = (text: string) =>
    Effect.promise(async () => {
      while (!this.received.includes(text)) await once(this.socket, "data")
    })
  readonly closed = Effect.promise(async () => {
    if (!this.socket.closed) await once(this.socket, "close")
  })
}

const client = (port: number): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const one = new Client(port)
      await once(one.socket, "connect")
      return one
    }),
    (one) => Effect.sync(() => one.socket.destroy())
  )

/** A service around one server; a task holds the draining open until `letGo`. */
const start = (listener: RequestListener, options?: { readonly budget: string }) =>
  Effect.gen(function* () {
    const letGo = yield* Deferred.make<void>()
    const ready = yield* Deferred.make<number>()
    const server = createServer(listener)
    const accepted: Array<Socket> = []
    server.on("connection", (socket) => void accepted.push(socket))
    const App = Layer.mergeAll(
      // It closes nothing by itself: what is closed in these tests was closed by the module they test.
      Layer.effectDiscard(Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening"))),
      HttpStopAccepting.layer(server),
      Layer.effectDiscard(TaskRegistry.spawn(Deferred.await(letGo), { name: "holder", kind: "BackgroundLoop" }))
    )
    const signals = yield* Signals.makeManual
    const main = yield* Main.run(App, {
      budget: options?.budget as "10 seconds" | undefined,
      reserves: { lastWords: 0, onStop: 0, close: "200 millis", postStop: 0, flush: "500 millis" },
      onStart: Deferred.succeed(ready, 0)
    }).pipe(Effect.provideService(Signals.Signals, signals), Effect.forkChild)
    yield* Deferred.await(ready)
    /** Waits until the server has read all that a client has written. */
    const has = ({ socket }: Client) =>
      Effect.promise(async () => {
        const isRead = (): boolean =>
          accepted.some((one) => one.remotePort === socket.localPort && one.bytesRead === socket.bytesWritten)
        while (!isRead()) await new Promise((resolve) => setImmediate(resolve))
      })
    return { main, letGo, has, port: (server.address() as AddressInfo).port, stop: stopper(signals, server) }
  })

/** Asks to stop, and waits until the listener is closed. */
const stopper = (signals: Signals.Manual, server: Server) =>
  Effect.promise(async () => {
    signals.signalUnsafe("SIGTERM")
    while (server.listening) await new Promise((resolve) => setImmediate(resolve))
  })

it.live("a stopping server closes, finishes what it began and refuses what is new on kept-alive connections [S8]", () =>
  Effect.gen(function* () {
    const held: Array<() => void> = []
    const service = yield* start((request, response) => {
      if (request.url === "/slow") held.push(() => response.end("slow answer"))
      else if (request.url === "/begun") {
        response.writeHead(200, { connection: "keep-alive" }).write("begun answer")
        held.push(() => response.end("and ended"))
      } else response.end("quick answer")
    })
    const begun = yield* client(service.port)
    yield* begun.send("GET /begun HTTP/1.1\r\nHost: x\r\n\r\n")
    yield* begun.until("begun answer")
    const [idle, inFlight, later] = [
      yield* client(service.port),
      yield* client(service.port),
      yield* client(service.port)
    ]
    for (const one of [idle, later]) {
      yield* one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* one.until("quick answer")
      assert.include(one.received.toLowerCase(), "connection: keep-alive")
    }
    yield* inFlight.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    while (held.length < 2) yield* Effect.sleep(1)
    // Half a request, so that the connection is not idle when the stop comes.
    later.received = ""
    yield* later.send("GET / HTTP/1.1\r\n")
    const half = yield* client(service.port)
    yield* half.send("GET")
    yield* service.has(later)
    yield* service.has(half)

    yield* service.stop
    yield* idle.closed
    const refused = yield* Effect.promise(() => fetch(`http://127.0.0.1:${service.port}/`).catch(() => "refused"))
    assert.strictEqual(refused, "refused")
    yield* later.send("Host: x\r\n\r\n")
    yield* later.until("stopping")
    assert.match(later.received, /^HTTP\/1.1 503 [^]*connection: close/i)
    yield* later.closed
    for (const answer of held) answer()
    yield* begun.until("and ended")
    yield* begun.closed
    yield* inFlight.until("slow answer")
    assert.match(inFlight.received, /^HTTP\/1.1 200 [^]*connection: close/i)
    yield* inFlight.closed
    yield* Deferred.succeed(service.letGo, undefined)
    assert.strictEqual((yield* Fiber.join(service.main)).exitCode, 0)
  }).pipe(Effect.scoped)
)

it.live(
  "a response on its way is waited for before the layer closes, also when its headers promised to stay [S8]",
  () =>
    Effect.gen(function* () {
      let finish = (): void => {}
      const service = yield* start((_, response) => {
        response.writeHead(200, { "content-length": 10, connection: "keep-alive" })
        response.write("first")
        finish = () => void response.end("/last")
      })
      const one = yield* client(service.port)
      yield* one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
      yield* one.until("first")
      yield* service.stop
      yield* Deferred.succeed(service.letGo, undefined)
      yield* Effect.sleep(50)
      assert.isUndefined(service.main.pollUnsafe())
      finish()
      yield* one.closed
      assert.include(one.received, "first/last")
      const outcome = yield* Fiber.join(service.main)
      assert.deepStrictEqual([outcome.exitCode, outcome.report?.acceptedUntil], [0, "stopAccepting"])
    }).pipe(Effect.scoped)
)

const LARGE = 32 * 1024 * 1024

it.live("a large answer that was ended but not sent when the stop came arrives whole [S8]", () =>
  Effect.gen(function* () {
    const service = yield* start((_, response) => void response.end(Buffer.alloc(LARGE)))
    const one = yield* client(service.port)
    one.socket.pause()
    yield* one.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    yield* service.has(one)
    yield* service.stop
    one.socket.resume()
    yield* one.closed
    assert.strictEqual(one.received.length - one.received.indexOf("\r\n\r\n") - 4, LARGE)
    yield* Deferred.succeed(service.letGo, undefined)
    assert.strictEqual((yield* Fiber.join(service.main)).exitCode, 0)
  }).pipe(Effect.scoped)
)

it.effect("a client that never reads is cut before the flush is late [S8]", () =>
  Effect.gen(function* () {
    const service = yield* start((_, response) => void response.end(Buffer.alloc(LARGE)), {
      budget: "1 second"
    })
    const one = yield* client(service.port)
    one.socket.pause()
    yield* one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    yield* service.has(one)
    yield* service.stop
    yield* Deferred.succeed(service.letGo, undefined)
    // Time passes only here: a busy machine is not what cuts it.
    while (service.main.pollUnsafe() === undefined) {
      yield* TestClock.adjust("10 millis")
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    }
    const outcome = yield* Fiber.join(service.main)
    assert.deepStrictEqual([outcome.exitCode, outcome.report?.leftBehind], [0, []])
    const flush = outcome.report?.phases.find((row) => row.phase === "flush")
    assert.isAbove(flush?.durationMillis ?? 0, 500)
    one.socket.resume()
    yield* one.closed
    assert.isBelow(one.received.length, LARGE)
  }).pipe(Effect.scoped)
)
