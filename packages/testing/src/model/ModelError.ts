/**
 * A model the checker cannot explore, as opposed to one that fails: bad options,
 * memory from outside, a body that cannot be run again. Thrown, never reported.
 */

/**
 * Why a model cannot be explored.
 *
 * @category errors
 * @since 0.1.0
 */
export type ModelErrorReason = "options" | "outside" | "misuse" | "setup"

/**
 * Thrown by `explore` before anything is explored, or as soon as the model uses
 * something that cannot be explored.
 *
 * @category errors
 * @since 0.1.0
 */
export class ModelError extends Error {
  override readonly name = "ModelError"
  readonly reason: ModelErrorReason
  constructor(options: { readonly reason: ModelErrorReason; readonly message: string; readonly cause?: unknown }) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.reason = options.reason
  }
}
