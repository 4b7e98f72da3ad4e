/**
 * The requests of the contract suite, shared by the asking side and the answering one.
 *
 * @since 0.1.0
 */
import * as Record from "@selvedge/core/memory/Record"
import * as Frame from "@selvedge/core/workers/Frame"
import * as WorkerContext from "@selvedge/core/workers/WorkerContext"
import * as WorkerRequest from "@selvedge/core/workers/WorkerRequest"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** A typed failure that crosses the link. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { text: Schema.String }) {}

/** Who the worker is, as it sees it. */
export const WhoAmI = WorkerRequest.make("WhoAmI", {
  payload: Schema.Null,
  success: Schema.Struct({ facts: WorkerContext.Facts, parent: Schema.NullOr(Frame.Frame) })
})
export const Echo = WorkerRequest.make("Echo", { payload: Schema.String, success: Schema.String })
/** The same name with other schemas: what one side means the other does not. */
export const EchoNumber = WorkerRequest.make("Echo", { payload: Schema.Int, success: Schema.String })
export const EchoToNumber = WorkerRequest.make("Echo", { payload: Schema.String, success: Schema.Int })
export const Refuse = WorkerRequest.make("Refuse", { payload: Schema.String, success: Schema.Null, error: Refused })
export const Explode = WorkerRequest.make("Explode", { payload: Schema.Null, success: Schema.Null })
export const Hang = WorkerRequest.make("Hang", { payload: Schema.Null, success: Schema.Null })
/** Lets the program fail. */
export const Crash = WorkerRequest.make("Crash", { payload: Schema.Null, success: Schema.Void })
/** Ends the thread or process with code 7, without a word. */
export const Leave = WorkerRequest.make("Leave", { payload: Schema.Null, success: Schema.Null })
/** Adds 1 to the first cell of a shared region. */
export const Add = WorkerRequest.make("Add", { payload: Schema.String, success: Schema.Int })
/** What rings of the suite carry. */
export const Numbered = Record.struct({ value: Record.i32 })
const InRegion = Schema.Struct({ region: Schema.String, count: Schema.Int })
/** Takes so many records from the ring in a region, and gives a sum that depends on their order. */
export const Consume = WorkerRequest.make("Consume", { payload: InRegion, success: Schema.Int })
/** Publishes 1 to `count` into the ring in a region. */
export const Produce = WorkerRequest.make("Produce", { payload: InRegion, success: Schema.Null })
/** Waits for so many tokens of the notifier in a region. */
export const Poll = WorkerRequest.make("Poll", { payload: InRegion, success: Schema.Int })
/** Nobody answers this one. */
export const Unknown = WorkerRequest.make("Unknown", { payload: Schema.Null, success: Schema.Null })

const answering =
  <Tag extends string, P, S, E>(request: WorkerRequest.WorkerRequest<Tag, P, S, E>) =>
  <R>(run: (payload: P) => Effect.Effect<S, E, R>): WorkerRequest.Handler<R> =>
    WorkerRequest.handler(request, run)

export const handlers = {
  whoAmI: answering(WhoAmI),
  echo: answering(Echo),
  refuse: answering(Refuse),
  explode: answering(Explode),
  hang: answering(Hang),
  crash: answering(Crash),
  leave: answering(Leave),
  add: answering(Add),
  consume: answering(Consume),
  produce: answering(Produce),
  poll: answering(Poll)
} as const

/** Adds a record to a sum that depends on their order. */
export const add = (sum: number, value: number): number => (Math.imul(sum, 31) + value) | 0
