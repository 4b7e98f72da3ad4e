/**
 * `GET /stream`: the totals as server-sent events, one `PeerConnection` task per client.
 *
 * The task says `totals` whenever they changed and `bye` when the gateway stops; then the response ends by itself. It
 * writes into a sliding queue, so a client that reads slowly misses totals and holds nobody up.
 */
import { ShutdownToken, TaskRegistry } from "@selvedge/core"
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Settings } from "../Settings.ts"
import { type Total, Totals } from "../Totals.ts"
import { unavailable } from "./asTask.ts"

/** After so much silence a comment shows that somebody is still there. */
const SILENCE = Duration.seconds(15)

const stream = Effect.gen(function* () {
  const { streamEvery } = yield* Settings
  const messages = updates(
    (yield* Totals).latest,
    Math.ceil(Duration.toMillis(SILENCE) / Duration.toMillis(streamEvery))
  )
  const queue = yield* Queue.sliding<string, Cause.Done>(16)
  const task = yield* Effect.sync(messages.next).pipe(
    Effect.tap((message) => (message === "" ? Effect.void : Queue.offer(queue, message))),
    Effect.andThen(Effect.sleep(streamEvery)),
    Effect.forever,
    ShutdownToken.runUntilDraining,
    Effect.andThen(Effect.suspend(() => Queue.offer(queue, messages.bye()))),
    Effect.ensuring(Queue.end(queue)),
    TaskRegistry.spawn({ name: "stream", kind: "PeerConnection" })
  )
  // The scope of the request: closed when the response has ended, also when the client just left.
  yield* Effect.addFinalizer(() => task.abort)
  return HttpServerResponse.stream(Stream.fromQueue(queue).pipe(Stream.encodeText), {
    contentType: "text/event-stream",
    headers: { "cache-control": "no-cache", "x-task": `${task.kind} #${task.id}` }
  })
}).pipe(Effect.catchTag(["RegistryClosed", "TaskLimitReached"], unavailable))

/** What a client is told: the totals if they changed, a comment after a long silence, else nothing. */
const updates = (latest: () => Total, ticksOfSilence: number) => {
  let told = -1
  let silent = 0
  const totals = (event: string): string => {
    const total = latest()
    told = total.events
    return `event: ${event}\ndata: ${JSON.stringify(total)}\n\n`
  }
  const next = (): string => {
    const { events } = latest()
    if (events === told && ++silent < ticksOfSilence) return ""
    silent = 0
    return events === told ? ": still here\n\n" : totals("totals")
  }
  return { next, bye: () => totals("bye") }
}

export const layer = HttpRouter.add("GET", "/stream", stream)
