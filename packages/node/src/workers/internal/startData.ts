/**
 * What a new thread or process is told first: where its program is, who it is, and the shared memory it may use.
 *
 * A thread gets it as its `workerData`, a process as the first message of its channel. It is made by the link on one side and
 * read by the entry on the other, and nobody else sees it.
 *
 * @internal
 */
import type * as Backend from "@selvedge/core/workers/Backend"
import type * as Pulse from "@selvedge/core/workers/Pulse"
import * as WorkerMessage from "@selvedge/core/workers/WorkerMessage"
import type { Regions } from "@selvedge/core/workers/WorkerRegions"
import type { Lent, Place } from "../../memory/MappedRegions.ts"
import type { Inherited } from "../../memory/PulseTable.ts"
import type { Inner } from "./hybridInner.ts"
import type { TablePlaces, Tables } from "./threadTables.ts"

export interface StartData {
  /** An encoded `Start`. */
  readonly start: unknown
  readonly url: string
  readonly exportName: string
  /** Beside the message: memory is handed over as it is. */
  readonly regions: Regions
  /** To a thread: where it shows that it lives. */
  readonly pulse?: Pulse.Line | undefined
  /** To a process: the same, in a table that it has inherited. */
  readonly line?: Inherited | undefined
  /** To a thread: those of its regions that other processes see too. */
  readonly lent?: Readonly<Record<string, Lent>> | undefined
  /** To a process: where it finds its regions. */
  readonly places?: Readonly<Record<string, Place>> | undefined
  /** To a process: where it finds the mapped ones of those tables. */
  readonly tablePlaces?: TablePlaces | undefined
  /** In a thread: the tables of the program around its container. */
  readonly tables?: Tables | undefined
  /** In a process of a hybrid: what its threads run. */
  readonly inner?: Inner | undefined
}

export const make = (program: ModuleRef, { context, regions }: Backend.StartRequest): StartData => ({
  start: WorkerMessage.encodeToWorker({ _tag: "Start", context, regions: Object.keys(regions) }),
  url: program.url,
  exportName: program.exportName,
  regions
})

export type ModuleRef = Extract<Backend.ProgramRef, { readonly _tag: "Module" }>

/**
 * An entry beside this file: a source beside a source, a built file beside a built file. Imports are rewritten by the
 * compiler, URLs are not.
 */
export const entry = (name: "threadEntry" | "processEntry" | "probeEntry" | "orphanEntry" | "hybridProgram"): URL =>
  new URL(`./${name}.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)
