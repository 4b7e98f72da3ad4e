/**
 * The gateway as the demonstration runs it: with a task planted that ignores its token, workers that can be
 * killed, and a flaw where `DEMO_BREAK` names a step. `DEMO_PLANT=no` leaves the planted task out.
 */
import { TaskRegistry } from "@selvedge/core"
import { Selvedge } from "@selvedge/node"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Gateway from "../Gateway.ts"
import * as Server from "../Server.ts"
import { Settings } from "../Settings.ts"
import * as Flaws from "./flaws.ts"
import * as Killable from "./killable.ts"

const flaw = process.env["DEMO_BREAK"]

/** Not even interested: it never asks its token, and is interrupted at the tasks' deadline. */
const planted = Layer.effectDiscard(TaskRegistry.spawn(Effect.never, { name: "planted", kind: "BackgroundLoop" }))

/** Whoever started us holds our stdin. When it is gone we go too, in order. */
const endWithParent = Layer.effectDiscard(
  Effect.sync(() => process.stdin.resume().once("end", () => process.kill(process.pid, "SIGTERM")))
)

const App = Layer.mergeAll(
  HttpRouter.serve(Layer.mergeAll(Gateway.routes, Flaws.middleware(flaw)), {
    disableLogger: true,
    disableListenLog: true
  }),
  Gateway.announce,
  process.env["DEMO_PLANT"] === "no" ? Layer.empty : planted,
  endWithParent,
  Killable.listen,
  Flaws.layer(flaw)
).pipe(
  Layer.provideMerge(Gateway.behind),
  Layer.provide(Killable.backends(flaw === "crash")),
  flaw === "closed" ? Layer.provide(Flaws.openServer) : Layer.provide(Server.layer),
  Layer.provide(Settings.layer)
)

Selvedge.run(App, { name: "gateway", kinds: Gateway.kinds, onReload: Gateway.onReload, postStop: Flaws.postStop(flaw) })
