/**
 * Keeping the event loop alive while a fiber waits for shared memory.
 *
 * A pending `Atomics.waitAsync` holds nothing: a process whose fibers all wait so would end with code 0. Whoever waits
 * takes a hold through this reference and gives it back after. Core knows no event loop, so by default a hold does nothing; the platform
 * package gives one that does.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Takes a hold; what it returns gives it back, once, however often it is called.
 *
 * @category models
 * @since 0.1.0
 */
export type Hold = () => () => void

/**
 * @category services
 * @since 0.1.0
 */
export const KeepAlive = Context.Reference<Hold>("@selvedge/core/KeepAlive", {
  defaultValue: () => () => () => undefined
})
