/**
 * The gateway, put together.
 *
 * ```text
 *              parse ─▶ parsers                    ┌▶ shard 0: counts ─▶ gateway.0.sqlite
 *   POST /ingest ◀────────── Workers ──▶ ring ─────┤     (restored at the start, and after a crash)
 *    (RpcHandler)               ▲                  └▶ shard 1: counts ─▶ gateway.1.sqlite
 *                               │ summaries
 *                            Totals ──▶ GET /top, GET /stream
 * ```
 */
import type { TaskKind } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Ingest from "./routes/ingest.ts"
import * as Operate from "./routes/operate.ts"
import * as Ready from "./routes/ready.ts"
import * as StreamRoute from "./routes/stream.ts"
import * as Top from "./routes/top.ts"
import * as WorkersRoute from "./routes/workers.ts"
import * as Server from "./Server.ts"
import * as Events from "./events.ts"
import * as Fleet from "./fleet.ts"
import { Settings } from "./Settings.ts"
import { Totals } from "./Totals.ts"
import * as Workers from "./Workers.ts"

/** SIGHUP replaces all workers; if the new ones do not become ready, the old ones serve on and the log says why. */
export const onReload = Workers.Workers.use(({ restart }) => restart())

/** How many clients may stream at once; one more is answered 503. */
export const kinds: Readonly<Record<string, TaskKind.Policy>> = {
  PeerConnection: { limit: 1000, whenFull: "refuse" }
}

export const routes = Layer.mergeAll(
  Ingest.layer,
  Top.layer,
  StreamRoute.layer,
  WorkersRoute.layer,
  Ready.layer,
  Operate.layer
)

export const announce = Layer.effectDiscard(
  HttpServer.addressFormattedWith((address) => Effect.logInfo(`gateway listening on ${address}`))
)

const serve = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true })

/** What stands behind the routes, whatever starts the workers. */
export const behind = Totals.layer.pipe(Layer.provideMerge(Workers.layer), Layer.provide(Events.layer))

/** All of it. The server is part of what it provides, for whoever asks for its address, and so are the workers, for a reload. */
export const layer = Layer.mergeAll(serve, announce).pipe(
  Layer.provideMerge(behind),
  Layer.provide(Fleet.Backends.layer),
  Layer.provideMerge(Server.layer),
  Layer.provide(Settings.layer)
)
