import { describe, it } from "@effect/vitest"
import * as FiberBackend from "@selvedge/core/service/FiberBackend"
import * as BackendContract from "@selvedge/testing/contracts/BackendContract"
import * as Effect from "effect/Effect"
import { quietly } from "../service/stage.ts"

const subject: BackendContract.Subject = {
  name: "fiber",
  layer: FiberBackend.layer,
  isolated: false,
  sharesMemory: true
}

describe("a container of fibers", () => {
  for (const { run, title } of BackendContract.casesFor(subject)) {
    it.live(`${title} [M9]`, () => run.pipe(Effect.scoped, Effect.provide(subject.layer), quietly([])))
  }
})
