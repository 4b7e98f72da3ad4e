/**
 * The thread of a check: loads the module, looks at the export, says what it found.
 *
 * @internal
 */
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import { parentPort, workerData } from "node:worker_threads"
import type { Verdict } from "./probe.ts"
import type { ModuleRef } from "./startData.ts"

const { exportName, url }: ModuleRef = workerData

const look = async (): Promise<Verdict> => {
  let module: Readonly<Record<string, unknown>>
  try {
    module = await import(url)
  } catch (error) {
    const found = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    return { _tag: "Refused", reason: "ModuleBroken", wanted: "a module that can be loaded", found }
  }
  if (!Object.hasOwn(module, exportName)) {
    const names = Object.keys(module)
    const found = `${names.length === 0 ? "no exports" : `only ${names.join(", ")}`} in ${url}`
    return { _tag: "Refused", reason: "ExportMissing", wanted: `an export called ${JSON.stringify(exportName)}`, found }
  }
  const exported = module[exportName]
  if (WorkerProgram.fromExport(exported)._tag === "Some") return { _tag: "Passed" }
  const found = WorkerProgram.describeExport(exported)
  return { _tag: "Refused", reason: "NotAProgram", wanted: "an Effect, a Layer or a WorkerProgram", found }
}

parentPort?.postMessage(await look())
