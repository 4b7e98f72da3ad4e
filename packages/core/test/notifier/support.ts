/**
 * What the tests of the notifier share: its two backends in virtual time, and a few words.
 */
import { Events, LocalNotifier, Notifier } from "@selvedge/core"
import * as SharedMemory from "@selvedge/core/memory/SharedMemory"
import * as Waking from "@selvedge/core/memory/Waking"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export const shared: Layer.Layer<Notifier.Notifiers> = Notifier.layer.pipe(
  Layer.provide(SharedMemory.layerThread),
  Layer.provide(Waking.layerLocal)
)

export const backends: ReadonlyArray<readonly [name: string, layer: Layer.Layer<Notifier.Notifiers>]> = [
  ["in shared memory", shared],
  ["in one thread", LocalNotifier.layer]
]

/** Numbers that are no token of a notifier with 8, and no capacity either. */
export const noNumbers: ReadonlyArray<unknown> = [
  -1,
  1.5,
  NaN,
  Infinity,
  -Infinity,
  2 ** 32,
  2 ** 53,
  "1",
  null,
  undefined,
  {}
]

export const eventsOf = (capacity: number) => Effect.orDie(Events.make(capacity))

/** Bytes of the region behind a notifier, to see that a refused call left them alone. */
export const bytesOf = (notifier: Notifier.Notifier): Effect.Effect<string> =>
  Effect.map(Effect.orDie(Notifier.handle(notifier)), ({ memory }) => Array.from(new Int32Array(memory)).join())
