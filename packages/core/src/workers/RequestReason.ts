/**
 * Why a request was not answered. What is known then about whether it was run stands in docs/workers.md.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * @category models
 * @since 0.1.0
 */
export const RequestReason = Schema.Literals([
  "WorkerGone",
  "NoWorker",
  "UnknownRequest",
  "InvalidPayload",
  "InvalidReply",
  "HandlerDied",
  "Stopping"
])

/**
 * @category models
 * @since 0.1.0
 */
export type RequestReason = typeof RequestReason.Type
