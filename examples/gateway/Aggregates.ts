/**
 * The one table of this process. Whoever gets it gets it restored from the last snapshot.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Settings } from "./Settings.ts"
import { SnapshotFile } from "./SnapshotFile.ts"
import { Table } from "./Table.ts"

export class Aggregates extends Context.Service<Aggregates, Table>()("gateway/Aggregates") {
  static readonly layer = Layer.effect(
    Aggregates,
    Effect.gen(function* () {
      const file = yield* SnapshotFile
      const { maxKeys } = yield* Settings
      const table = new Table(maxKeys, file.restored)
      yield* Effect.logInfo(`restored ${table.events} events under ${table.keys} keys from ${file.path}`)
      return table
    })
  )
}
