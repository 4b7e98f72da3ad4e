/**
 * What the workers have counted, added up. Every key is of one shard, so nothing is counted twice; only `(other)` is everybody's.
 *
 * `latest` is looked up every so often by a background loop, for all clients of the event stream together; it never falls, also while a
 * worker that died counts again what it had not stored.
 */
import { type ContainerError, ShutdownToken, TaskRegistry } from "@selvedge/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "./Settings.ts"
import { type Aggregate, byCount, merge } from "./Table.ts"
import type { NotMine, Summary } from "./worker/requests.ts"
import { Workers } from "./Workers.ts"

export interface Total {
  readonly events: number
  readonly keys: number
  readonly top: ReadonlyArray<Aggregate>
}

/** The rows the event stream shows. */
const SHOWN = 5

export class Totals extends Context.Service<
  Totals,
  {
    readonly latest: () => Total
    /** As of now: everything that was acknowledged before is in it. */
    readonly ask: (n: number) => Effect.Effect<Total, ContainerError.RequestFailed | NotMine>
  }
>()("gateway/Totals") {
  static readonly layer = Layer.effect(
    Totals,
    Effect.gen(function* () {
      const { streamEvery } = yield* Settings
      const workers = yield* Workers
      const ask = (n: number) => Effect.map(workers.summaries(n), (summaries) => add(summaries, n))
      let latest = yield* ask(SHOWN)
      yield* Effect.sleep(streamEvery).pipe(
        Effect.andThen(ask(SHOWN)),
        Effect.tap((total) => Effect.sync(() => (latest = total))),
        Effect.ignore({ log: true }),
        Effect.forever,
        ShutdownToken.runUntilDraining,
        TaskRegistry.spawn({ name: "totals", kind: "BackgroundLoop" })
      )
      return Totals.of({ latest: () => latest, ask })
    })
  )
}

const add = (summaries: ReadonlyArray<Summary>, n: number): Total => {
  const rows = merge(summaries.flatMap(({ top }) => top))
  const found = summaries.reduce((sum, { keys }) => sum + keys, 0)
  // Rows that became one were counted as keys of several workers.
  const twice = summaries.reduce((sum, { top }) => sum + top.length, 0) - rows.length
  return {
    events: summaries.reduce((sum, { events }) => sum + events, 0),
    keys: found - twice,
    top: byCount(rows).slice(0, n)
  }
}
