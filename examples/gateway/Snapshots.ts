/**
 * When snapshots are written: every so often by a maintenance task, and once more at the very end.
 *
 * The last one is a flush hook, not the task's own farewell: it has time reserved and it runs after every task has
 * ended or was interrupted, so nothing that was acknowledged can come after it. A snapshot that fails, on a full disk
 * for example, is told and tried again; if the last one fails the exit code says so.
 */
import { Lifecycle, ShutdownToken, TaskRegistry } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Aggregates } from "./Aggregates.ts"
import { Intake } from "./Intake.ts"
import { Settings } from "./Settings.ts"
import { SnapshotFile } from "./SnapshotFile.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { snapshotEvery } = yield* Settings
    const file = yield* SnapshotFile
    const table = yield* Aggregates
    const intake = yield* Intake

    yield* Effect.sleep(snapshotEvery).pipe(
      Effect.andThen(file.write(table)),
      Effect.catchTag("SnapshotFailed", (problem) => Effect.logWarning(problem.message)),
      Effect.forever,
      ShutdownToken.runUntilDraining,
      TaskRegistry.spawn({ name: "snapshots", kind: "Maintenance" })
    )

    yield* Lifecycle.onFlush("final snapshot", Effect.andThen(intake.settle, file.write(table)))
  })
)
