/**
 * What the two backends of processes have in common: mapped memory by its name, and a link over a channel.
 *
 * @internal
 */
import type * as Backend from "@selvedge/core/workers/Backend"
import { StartFailed } from "@selvedge/core/workers/ContainerError"
import * as Effect from "effect/Effect"
import * as MappedRegions from "../../memory/MappedRegions.ts"
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
    check: (blueprint) => Effect.andThen(placesOf(blueprint), Effect.asVoid(Check.moduleOf(blueprint, "processes"))),
    start: (request, listener) =>
      Effect.flatMap(placesOf(request), (places) =>
        Effect.flatMap(Check.refOf(request, "processes"), (program) =>
          ProcessLink.start({ ...dataOf(program, request), regions: {}, places }, request, listener, link)
        )
      )
  }
}

/** Where the process finds its regions; memory that is not mapped from a file it cannot find. */
const placesOf = ({
  regions
}: Backend.Blueprint): Effect.Effect<Readonly<Record<string, MappedRegions.Place>> | undefined, StartFailed> => {
  const found = Object.entries(regions).map(([name, memory]) => [name, MappedRegions.placeOf(memory)] as const)
  const places = found.flatMap(([name, place]) => (place === undefined ? [] : [[name, place] as const]))
  if (places.length === found.length) {
    return Effect.succeed(places.length === 0 ? undefined : Object.fromEntries(places))
  }
  const missing = found.filter(([, place]) => place === undefined).map(([name]) => name)
  const wanted = "regions of MappedMemory that are open here, as processes share no other memory"
  return Effect.fail(
    new StartFailed({ reason: "MappingUnavailable", wanted, found: `other memory called ${missing.join(", ")}` })
  )
}
