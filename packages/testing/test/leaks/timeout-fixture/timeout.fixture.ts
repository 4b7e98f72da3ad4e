import { it } from "@effect/vitest"
import * as TaskRegistry from "@selvedge/core/tasks/TaskRegistry"
import * as Effect from "effect/Effect"
import { TestTasks } from "@selvedge/testing"

it.effect("never drains", ({ task }) =>
  TaskRegistry.spawn(Effect.never, { name: "stuck connection", kind: "PeerConnection" }).pipe(
    Effect.andThen(Effect.never),
    Effect.provide(TaskRegistry.layerRoot()),
    (test) => TestTasks.printOnTimeout(test, { name: task.name })
  )
)
