/**
 * What can go wrong with workers. Each error carries facts; its message says what was wanted and what was found.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { InvalidSetting } from "../config/Setting.ts"
import { label, quote } from "../internal/quote.ts"
import { RequestReason } from "./RequestReason.ts"
import { describe, WorkerExit } from "./WorkerExit.ts"

/**
 * A worker cannot be started.
 *
 * **Details**
 *
 * - `ModuleUnknown`: there is nothing at the module's address.
 * - `ModuleBroken`: the module is there and fails while it is loaded.
 * - `ExportMissing`: the module has no export of that name.
 * - `NotAProgram`: the export is neither an Effect, nor a Layer, nor a `WorkerProgram`.
 * - `NeedsModule`: this backend's workers load their program themselves; a value cannot be handed to them.
 * - `MappingUnavailable`: this backend cannot hand shared memory to its workers.
 * - `SpawnRefused`: the platform did not give another thread or process.
 *
 * @category errors
 * @since 0.1.0
 */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  reason: Schema.Literals([
    "ModuleUnknown",
    "ModuleBroken",
    "ExportMissing",
    "NotAProgram",
    "NeedsModule",
    "MappingUnavailable",
    "SpawnRefused"
  ]),
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `no worker was started (${this.reason}): wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * Every ordinal of a bounded pool is taken.
 *
 * @category errors
 * @since 0.1.0
 */
export class OrdinalsExhausted extends Schema.TaggedError<OrdinalsExhausted>()("OrdinalsExhausted", {
  capacity: Schema.Int
}) {
  override get message(): string {
    return `wanted a free ordinal, found all ${this.capacity} taken`
  }
}

/**
 * Workers were described in a way that cannot be. Nothing has started.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidSpec extends Schema.TaggedError<InvalidSpec>()("InvalidSpec", {
  /** Which service, and which of its fields. */
  service: Schema.String,
  field: Schema.String,
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `service ${quote(this.service)}: ${this.field}: wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * A spawn came too late: the container is stopping, or has stopped.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContainerStopping extends Schema.TaggedError<ContainerStopping>()("ContainerStopping", {
  service: Schema.String,
  state: Schema.Literals(["stopping", "stopped"])
}) {
  override get message(): string {
    return `no worker of ${quote(this.service)} was started: the container is ${this.state}`
  }
}

/**
 * A worker was not ready in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotReady extends Schema.TaggedError<NotReady>()("NotReady", {
  service: Schema.String,
  serviceOrdinal: Schema.Int,
  /** How it ended before it was ready. */
  exit: WorkerExit
}) {
  override get message(): string {
    return `${label(this.service)} ${this.serviceOrdinal} did not become ready: ${describe(this.exit)}`
  }
}

/**
 * New workers could not take the place of the old, which serve on as they were. Everything new was stopped again.
 *
 * @category errors
 * @since 0.1.0
 */
export class RolloutFailed extends Schema.TaggedError<RolloutFailed>()("RolloutFailed", {
  operation: Schema.Literals(["restart", "reload", "scale", "recycle"]),
  service: Schema.String,
  serviceOrdinal: Schema.Int,
  /** It was killed at its startup timeout, or it ended by itself; or it was to be kept and was not ready for as long. */
  reason: Schema.Literals(["NotReadyInTime", "Ended"]),
  /** How its life on trial ended; undefined for one that was to be kept. */
  exit: Schema.UndefinedOr(WorkerExit)
}) {
  override get message(): string {
    const worker = `${label(this.service)} ${this.serviceOrdinal}`
    const why = this.exit === undefined ? "is kept and not ready, and no other is" : `on trial ${describe(this.exit)}`
    return `the ${this.operation} failed and the old workers serve on: ${worker} ${why}`
  }
}

/**
 * There were more restarts than the supervisor may bear: what fails so often is not helped by starting it again. All other
 * workers were stopped, the last started first.
 *
 * @category errors
 * @since 0.1.0
 */
export class RestartIntensityExceeded extends Schema.TaggedError<RestartIntensityExceeded>()(
  "RestartIntensityExceeded",
  {
    service: Schema.String,
    serviceOrdinal: Schema.Int,
    /** There was one restart too many, the schedule of the back-off has ended, or the restart died: the log has its cause. */
    why: Schema.Literals(["intensity", "back-off", "defect"]),
    max: Schema.Int,
    periodMillis: Schema.Finite,
    /** How the last life ended. */
    exit: WorkerExit
  }
) {
  override get message(): string {
    const worker = `${label(this.service)} ${this.serviceOrdinal} ${describe(this.exit)}`
    switch (this.why) {
      case "intensity":
        return `wanted at most ${this.max} restart(s) within ${this.periodMillis} ms, found one more: ${worker}`
      case "back-off":
        return `the back-off allows no more restarts: ${worker}`
      case "defect":
        return `the restart died, the log says of what: ${worker}`
    }
  }
}

/**
 * A request was not answered.
 *
 * **Details**
 *
 * - `WorkerGone`: the worker it was sent to ended first. Whether it was carried out is not known; nobody else got it.
 * - `NoWorker`: no ready worker matches the address, or it is no address. Nothing was sent.
 * - `UnknownRequest`: the program has no handler of that name. Nothing was run.
 * - `InvalidPayload`: the payload is not what its schema allows, there or here, or no link carries it. Nothing was run.
 * - `InvalidReply`: the answer is not what its schema allows.
 * - `HandlerDied`: the handler died, was interrupted, or gave an answer that its schema or the link does not carry.
 * - `Stopping`: the worker takes no requests any more. Nothing was run.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestFailed extends Schema.TaggedError<RequestFailed>()("RequestFailed", {
  request: Schema.String,
  reason: RequestReason,
  /** `parser 2 [thread 2] life 5`, or the address nobody matched. */
  worker: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `request ${label(this.request)} to ${this.worker} failed (${this.reason}): ${this.detail}`
  }
}

/**
 * Everything a start may fail with. Nothing has been started then.
 *
 * @category errors
 * @since 0.1.0
 */
export type SpawnError = ContainerStopping | InvalidSpec | OrdinalsExhausted | StartFailed | InvalidSetting
