/**
 * The program whose start is measured: a layer of ordinary size. Ours and the baselines load and build the very same one.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const Item = Schema.Struct({ key: Schema.String, value: Schema.Finite })

class Items extends Context.Service<Items, Queue.Queue<typeof Item.Type>>()("bench/Items") {}

const totals = Effect.flatMap(Items, (items) =>
  Stream.fromQueue(items).pipe(
    Stream.runFold(
      () => 0,
      (sum, { value }) => sum + value
    ),
    Effect.retry(Schedule.recurs(3)),
    Effect.forkScoped
  )
)

export const program = Layer.effectDiscard(totals).pipe(
  Layer.provide(Layer.effect(Items, Queue.bounded<typeof Item.Type>(16)))
)
