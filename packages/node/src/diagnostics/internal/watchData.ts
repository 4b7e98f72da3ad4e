/**
 * What the watchdog's thread is given, and what it says to the thread that started it.
 *
 * @internal
 */
import type * as Counters from "@selvedge/core/diagnostics/Counters"
import type * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import type * as StrandReader from "@selvedge/core/diagnostics/StrandReader"
import type * as Watchdog from "@selvedge/core/inspection/Watchdog"
import type { Abilities } from "../../main/NodeGuard.ts"
import type { Times } from "./watchTimes.ts"

export interface ThreadData {
  readonly loops: StrandReader.Handle
  readonly strands: StrandReader.Handle | undefined
  readonly counters: Counters.Handle | undefined
  readonly flight: FlightRecorder.Handle | undefined
  readonly policy: Watchdog.Resolved
  readonly abilities: Abilities
  readonly socket: string | undefined
  readonly format: "text" | "json"
  readonly times: Times
}

export type FromThread =
  | { readonly _tag: "listening" }
  | { readonly _tag: "problem"; readonly why: string }
  | { readonly _tag: "stop"; readonly why: string }
