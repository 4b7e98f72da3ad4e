/**
 * What a supervisor and a worker say to each other, as schemas: the same words over a message port, a pipe or a plain call.
 *
 * A backend carries encoded messages and reads none of them. `Encoded` is structured data only (no functions, no class
 * instances), so JSON and structured clone both keep it.
 *
 * **Order**
 *
 * ```text
 *   supervisor ── Start ─▶ Beat … Request … Cancel … ─▶ Stop ─▶ Force
 *   worker     ─▶ Ready ─▶ … Healthy, StatusText, Reply, … ─▶ Stopping ─▶ Ended
 * ```
 *
 * `Start` is the first message a worker gets and `Ended` the last it sends. After `Stop` no request is sent any more.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { quote } from "../internal/quote.ts"
import { Facts } from "./WorkerContext.ts"
import { RequestReason } from "./RequestReason.ts"
import { WorkerExit } from "./WorkerExit.ts"

/**
 * From the supervisor.
 *
 * @category models
 * @since 0.1.0
 */
export const ToWorker = Schema.Union([
  Schema.TaggedStruct("Start", {
    context: Facts,
    /** Names of the shared regions that were handed over beside this message. */
    regions: Schema.Array(Schema.String)
  }),
  Schema.TaggedStruct("Request", {
    id: Schema.Int,
    tag: Schema.String,
    /** Encoded by the request's own schema. */
    payload: Schema.Unknown
  }),
  /** Beat so often, for as long as the event loop turns: in the pulse, or by saying `Healthy`. */
  Schema.TaggedStruct("Beat", { everyMillis: Schema.Finite }),
  /** Nobody waits for the answer any more. */
  Schema.TaggedStruct("Cancel", { id: Schema.Int }),
  /** Starts the worker's plan: everything in it has ended when the budget is over. */
  Schema.TaggedStruct("Stop", { budgetMillis: Schema.Finite, reason: Schema.String }),
  /** Let go now. */
  Schema.TaggedStruct("Force", {})
])

/**
 * @category models
 * @since 0.1.0
 */
export type ToWorker = typeof ToWorker.Type

/**
 * From the worker.
 *
 * @category models
 * @since 0.1.0
 */
export const FromWorker = Schema.Union([
  Schema.TaggedStruct("Ready", {}),
  /** The loop turns; `progress`: the program said so itself. Where there is a pulse, nobody says it. */
  Schema.TaggedStruct("Healthy", {
    progress: Schema.optionalKey(Schema.Boolean),
    memoryBytes: Schema.optionalKey(Schema.Finite)
  }),
  Schema.TaggedStruct("StatusText", { text: Schema.String }),
  Schema.TaggedStruct("Problem", { message: Schema.String }),
  Schema.TaggedStruct("Reloading", {}),
  Schema.TaggedStruct("Restarting", {}),
  /** It takes no requests any more, whoever asked it to stop, and has ended when this budget is over. */
  Schema.TaggedStruct("Stopping", { budgetMillis: Schema.Finite }),
  Schema.TaggedStruct("Reply", {
    id: Schema.Int,
    /** `Success` and `Failure` are encoded by the request's own schemas; the others are facts. */
    result: Schema.Union([
      Schema.TaggedStruct("Success", { value: Schema.Unknown }),
      Schema.TaggedStruct("Failure", { error: Schema.Unknown }),
      /** The handler died or was interrupted. */
      Schema.TaggedStruct("Defect", { message: Schema.String }),
      /** No such handler, or the payload is not what its schema allows. Nothing was run. */
      Schema.TaggedStruct("Refused", {
        reason: Schema.Literals(["unknown request", "invalid payload", "stopping"]),
        detail: Schema.String
      }),
      /** The worker had handed it on to a worker of its own, and there it failed. */
      Schema.TaggedStruct("Failed", { reason: RequestReason, worker: Schema.String, detail: Schema.String })
    ])
  }),
  Schema.TaggedStruct("Ended", { exit: WorkerExit })
])

/**
 * @category models
 * @since 0.1.0
 */
export type FromWorker = typeof FromWorker.Type

/**
 * A message that no schema of this module allows. `detail` names the path of the mistake.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidMessage extends Schema.TaggedError<InvalidMessage>()("InvalidMessage", {
  direction: Schema.Literals(["from worker", "to worker"]),
  detail: Schema.String
}) {
  override get message(): string {
    return `a message ${this.direction} is not what the protocol allows: ${this.detail}`
  }
}

const toWorkerCodec = Schema.toCodecJson(ToWorker)
const fromWorkerCodec = Schema.toCodecJson(FromWorker)

/**
 * @category operations
 * @since 0.1.0
 */
export const encodeToWorker: (message: ToWorker) => unknown = Schema.encodeSync(toWorkerCodec)

/**
 * @category operations
 * @since 0.1.0
 */
export const encodeFromWorker: (message: FromWorker) => unknown = Schema.encodeSync(fromWorkerCodec)

/**
 * Reads what came over the wire; never trusted.
 *
 * @category operations
 * @since 0.1.0
 */
export const readToWorker = (wire: unknown): ToWorker | InvalidMessage =>
  Result.getOrElse(decodeToWorker(wire), (error) =>
    refuse("to worker", tagProblem(wire, toWorkerTags) ?? error.message)
  )

/**
 * Reads what came over the wire; never trusted.
 *
 * @category operations
 * @since 0.1.0
 */
export const readFromWorker = (wire: unknown): FromWorker | InvalidMessage =>
  Result.getOrElse(decodeFromWorker(wire), (error) =>
    refuse("from worker", tagProblem(wire, fromWorkerTags) ?? error.message)
  )

const decodeToWorker = Schema.decodeUnknownResult(toWorkerCodec)
const decodeFromWorker = Schema.decodeUnknownResult(fromWorkerCodec)

const toWorkerTags: ReadonlyArray<string> = ToWorker.members.map(({ fields }) => fields._tag.schema.literal)
const fromWorkerTags: ReadonlyArray<string> = FromWorker.members.map(({ fields }) => fields._tag.schema.literal)

/** What is wrong where not even the kind of the message is known: said shorter than by listing all shapes. */
const tagProblem = (wire: unknown, tags: ReadonlyArray<string>): string | undefined => {
  if (typeof wire !== "object" || wire === null) return `wanted an object, found ${show(wire)}`
  const tag = "_tag" in wire ? wire._tag : undefined
  if (typeof tag === "string" && tags.includes(tag)) return undefined
  return `wanted one of ${tags.join(", ")} at ["_tag"], found ${show(tag)}`
}

const show = (value: unknown): string =>
  typeof value === "string" ? quote(value.slice(0, 64)) : value === null ? "null" : `a value of type ${typeof value}`

const refuse = (direction: InvalidMessage["direction"], detail: string): InvalidMessage =>
  new InvalidMessage({ direction, detail: detail.replaceAll(/\s*\n\s*/g, " ") })
