/**
 * What has happened in a life so far, as it is read for its report: `life.ts` keeps it, `results.ts` tells it.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import type { Budget, PhaseName, Timeline } from "../../shutdown/ShutdownPlan.ts"
import type * as ShutdownReason from "../../shutdown/ShutdownReason.ts"
import type * as Report from "../../shutdown/ShutdownReport.ts"
import type { Token } from "../../shutdown/TokenTree.ts"
import type { Straggler } from "../../shutdown/Straggler.ts"
import type * as Task from "../../tasks/Task.ts"
import type * as TaskRegistry from "../../tasks/TaskRegistry.ts"
import type { Crew } from "./crew.ts"
import type { Stage } from "../Lifecycle.ts"

/** The steps whose failure is the service's failure. */
export type StartStep = "preStart" | "build" | "onStart" | "run"

/** A hook, a finalizer or an error nobody caught that went wrong, and when. */
export interface Fault {
  readonly phase: PhaseName | undefined
  readonly where: string
  readonly cause: Cause.Cause<unknown>
}

/** A life, to who only looks at it. */
export interface Course {
  readonly name: string
  readonly signalExitCode: boolean
  readonly budget: Budget
  readonly root: Pick<Token, "phaseUnsafe">
  readonly tasks: Pick<TaskRegistry.Shape, "snapshotUnsafe">
  readonly stage: Stage
  readonly phase: PhaseName | undefined
  readonly timeline: Pick<Timeline, "endNanos"> | undefined
  readonly reason: ShutdownReason.ShutdownReason | undefined
  readonly forcedBy: string | undefined
  readonly failure: { readonly step: StartStep; readonly cause: Cause.Cause<unknown> } | undefined
  readonly failedToStart: boolean
  readonly joinError: Cause.Cause<unknown> | undefined
  readonly faults: ReadonlyArray<Fault>
  /** Errors nobody caught that came after so many that nobody wants to read them. */
  readonly suppressed: number
  /** Something had not ended when its time was over. */
  readonly late: boolean
  readonly interrupted: ReadonlyArray<typeof Report.Interrupted.Type>
  readonly leftBehind: ReadonlyArray<typeof Report.LeftBehind.Type>
  readonly workforce: Pick<Crew, "told">
  readonly phases: ReadonlyArray<typeof Report.PhaseRow.Type>
  readonly pending: ReadonlyArray<Straggler>
  readonly liveAtRequest: ReadonlyArray<Task.TaskInfo>
  readonly stopHooks: ReadonlyArray<unknown>
  /** Wall clock, ms since the epoch. */
  readonly requestedAt: number
  nowNanos(): bigint
  /** Milliseconds since the request. */
  sinceRequest(nanos: bigint): number
}
