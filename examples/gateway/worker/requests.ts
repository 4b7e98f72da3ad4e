/**
 * What the gateway asks its workers: to make events of lines, and what they have counted.
 */
import { WorkerRequest } from "@selvedge/core"
import * as Schema from "effect/Schema"
import { Event } from "../Event.ts"

/** Line by line the event, or why it is none. Any worker can do it, and twice does no harm. */
export const Parse = WorkerRequest.make("Parse", {
  payload: Schema.Array(Schema.String),
  success: Schema.Array(Schema.Union([Schema.Struct({ event: Event }), Schema.Struct({ problem: Schema.String })]))
})

export const Aggregate = Schema.Struct({
  key: Schema.String,
  count: Schema.Int,
  sum: Schema.Finite,
  min: Schema.Finite,
  max: Schema.Finite
})

/** What has been counted of one shard; `number` is the last event its worker knows of. */
export const Summary = Schema.Struct({
  events: Schema.Int,
  keys: Schema.Int,
  number: Schema.Int,
  top: Schema.Array(Aggregate)
})

export type Summary = typeof Summary.Type

/** The worker has not got its shard yet: it waits for the one before it, or reads its file. */
export class NotMine extends Schema.TaggedError<NotMine>()("NotMine", { shard: Schema.Int }) {
  override get message(): string {
    return `shard ${this.shard} is being handed over`
  }
}

/** With its `n` greatest rows. */
export const Summarize = WorkerRequest.make("Summarize", { payload: Schema.Int, success: Summary, error: NotMine })

/** Ends the thread that answers it, in the middle of the answer: for scripts that kill. */
export const Vanish = WorkerRequest.make("Vanish", { payload: Schema.Void, success: Schema.Void })
