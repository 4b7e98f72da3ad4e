/**
 * The command line of the gateway. Settings are variables; two of them have a short form here.
 */
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import * as Plant from "./plant.ts"
import { declared } from "./Settings.ts"

const wanted = `wanted nothing (it is set by GATEWAY_* variables), --processes N, --threads N or --plant=${Plant.names.join("|")}`

export interface Asked {
  readonly plant?: string
  /** To be set before anything is started: the workers see them too. */
  readonly variables: Readonly<Record<string, string>>
}

/** What was asked for, or what is wrong with it. */
export const read = (args: ReadonlyArray<string>): Asked | string => {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { plant: { type: "string" }, processes: { type: "string" }, threads: { type: "string" } }
    })
    const variables: Record<string, string> = {}
    for (const name of ["processes", "threads"] as const) {
      const found = values[name]
      if (found === undefined) continue
      const setting = declared[name]
      if (Effect.runSyncExit(setting.check(found))._tag === "Failure") {
        return `wanted --${name} ${setting.range}, found ${JSON.stringify(found)}`
      }
      variables[setting.variable] = found
    }
    const { plant } = values
    if (plant === undefined) return { variables }
    return Plant.names.includes(plant) ? { plant, variables } : `${wanted}, found --plant=${JSON.stringify(plant)}`
  } catch {
    return `${wanted}, found ${args.map((one) => JSON.stringify(one)).join(" ")}`
  }
}
