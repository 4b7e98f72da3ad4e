/** The contract suite of workers, for a test file of each backend: files run side by side. */
import { describe, it } from "@effect/vitest"
import * as BackendContract from "@selvedge/testing/contracts/BackendContract"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { quiet } from "./support.ts"

/** Registers the suite for one kind of worker, but for the cases whose titles begin so. */
export const contract = (subject: BackendContract.Subject, without: ReadonlyArray<string> = []): void => {
  const surroundings = Layer.merge(subject.layer, quiet)
  describe(`a container of ${subject.name}`, () => {
    for (const { run, title } of BackendContract.casesFor(subject)) {
      if (without.some((start) => title.startsWith(start))) continue
      it.live(`${title} [M9]`, () => run.pipe(Effect.scoped, Effect.provide(surroundings)))
    }
  })
}
