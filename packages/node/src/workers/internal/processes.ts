/**
 * What the two backends of processes have in common: no shared memory, and a link over a channel.
 *
 * @internal
 */
import type * as Backend from "@selvedge/core/workers/Backend"
import { StartFailed } from "@selvedge/core/workers/ContainerError"
import * as Effect from "effect/Effect"
import * as Check from "./check.ts"
import * as ProcessLink from "./processLink.ts"
import type * as StartData from "./startData.ts"

export interface Options {
  readonly env?: NodeJS.ProcessEnv | undefined
  readonly execArgv?: ReadonlyArray<string> | undefined
  readonly output?: "inherit" | "prefix" | undefined
}

export const backend = (
  name: string,
  { env, execArgv, output }: Options,
  dataOf: (program: StartData.ModuleRef, request: Backend.StartRequest) => StartData.StartData
): Backend.Shape => {
  const link: ProcessLink.Options = { env, execArgv, output: output ?? "inherit" }
  return {
    name,
    kind: "process",
    check: (blueprint) =>
      Effect.andThen(refuseRegions(blueprint), Effect.asVoid(Check.moduleOf(blueprint, "processes"))),
    start: (request, listener) =>
      refuseRegions(request).pipe(
        Effect.andThen(Check.refOf(request, "processes")),
        Effect.flatMap((program) => ProcessLink.start(dataOf(program, request), request, listener, link))
      )
  }
}

const refuseRegions = ({ regions }: Backend.Blueprint): Effect.Effect<void, StartFailed> => {
  const names = Object.keys(regions)
  if (names.length === 0) return Effect.void
  const wanted = "a program without regions, as processes share no memory"
  const found = `shared memory called ${names.join(", ")}`
  return Effect.fail(new StartFailed({ reason: "MappingUnavailable", wanted, found }))
}
