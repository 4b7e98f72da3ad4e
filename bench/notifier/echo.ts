/**
 * Sends every token back, until the notifier is closed.
 */
import * as EventChannel from "@selvedge/core/notifier/EventChannel"
import * as Events from "@selvedge/core/notifier/Events"
import * as Notifier from "@selvedge/core/notifier/Notifier"
import * as Poller from "@selvedge/core/notifier/Poller"
import * as Effect from "effect/Effect"
import { parentPort, workerData } from "node:worker_threads"

const handles = workerData as { readonly there: Notifier.Handle; readonly back: Notifier.Handle }

const loop = Effect.gen(function* () {
  const back = yield* Notifier.attach(handles.back)
  const poller = yield* Poller.attach(yield* Notifier.attach(handles.there), { role: "dedicated" })
  const channel = EventChannel.fromPoller(poller)
  const events = yield* Events.make(64)
  parentPort!.postMessage("ready")
  for (;;) {
    Effect.runSync(EventChannel.receiveBlocking(channel, events))
    for (const token of events) Notifier.notifyUnsafe(back, token)
  }
})

try {
  Effect.runSync(Effect.scoped(loop))
} catch {
  // Closed: the last round trip is over.
}
