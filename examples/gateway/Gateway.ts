/**
 * The gateway, put together.
 *
 * ```text
 *   POST /ingest ──▶ Intake ──(background loop)──▶ Aggregates ──▶ GET /top, GET /stream
 *    (RpcHandler)                                     │  ▲
 *                                (maintenance, flush) ▼  │ (restored at the start)
 *                                                  SnapshotFile
 * ```
 */
import type { TaskKind } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { Aggregates } from "./Aggregates.ts"
import { Intake } from "./Intake.ts"
import * as Ingest from "./routes/ingest.ts"
import * as Ready from "./routes/ready.ts"
import * as StreamRoute from "./routes/stream.ts"
import * as Top from "./routes/top.ts"
import * as Server from "./Server.ts"
import { Settings } from "./Settings.ts"
import { SnapshotFile } from "./SnapshotFile.ts"
import * as Snapshots from "./Snapshots.ts"

/** How many clients may stream at once; one more is answered 503. */
export const kinds: Readonly<Record<string, TaskKind.Policy>> = {
  PeerConnection: { limit: 1000, whenFull: "refuse" }
}

export const routes = Layer.mergeAll(Ingest.layer, Top.layer, StreamRoute.layer, Ready.layer)

export const announce = Layer.effectDiscard(
  HttpServer.addressFormattedWith((address) => Effect.logInfo(`gateway listening on ${address}`))
)

const serve = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true })

/** What stands behind the routes. */
export const behind = Intake.layer.pipe(Layer.provideMerge(Aggregates.layer), Layer.provideMerge(SnapshotFile.layer))

/** All of it. The server is part of what it provides: whoever runs it may ask for its address. */
export const layer = Layer.mergeAll(serve, Snapshots.layer, announce).pipe(
  Layer.provide(behind),
  Layer.provideMerge(Server.layer),
  Layer.provide(Settings.layer)
)
