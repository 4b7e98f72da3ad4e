/**
 * A list of tokens that a poll fills: made once, used for every poll, nothing is allocated in between.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { show } from "../internal/show.ts"
import * as Layout from "./internal/layout.ts"
import { InvalidCapacity } from "./NotifierError.ts"

/**
 * What the last poll handed out, oldest first.
 *
 * **Details**: tokens are at `tokens[0]` to `tokens[length - 1]`; what lies behind is left over and means nothing.
 *
 * @category models
 * @since 0.1.0
 */
export class Events implements Iterable<number> {
  readonly tokens: Int32Array
  length = 0

  constructor(capacity: number) {
    this.tokens = new Int32Array(capacity)
  }

  /** The most that one poll can hand out into it. */
  get capacity(): number {
    return this.tokens.length
  }

  get isEmpty(): boolean {
    return this.length === 0
  }

  toArray(): Array<number> {
    return Array.from(this.tokens.subarray(0, this.length))
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (let i = 0; i < this.length; i++) yield this.tokens[i]!
  }
}

/**
 * Makes a list that holds up to `capacity` tokens; `maxTokens` of the notifier, if a poll is to drain everything.
 *
 * **Errors**: `InvalidCapacity`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (capacity: number): Effect.Effect<Events, InvalidCapacity> =>
  Effect.suspend(() =>
    Layout.isMaxTokens(capacity)
      ? Effect.succeed(new Events(capacity))
      : Effect.fail(new InvalidCapacity({ option: "capacity", found: show(capacity), max: Layout.MAX_TOKENS }))
  )
