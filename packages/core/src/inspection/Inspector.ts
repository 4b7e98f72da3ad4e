/**
 * Whoever looks at a program from outside of its event loop: told once how to look.
 *
 * `Main` hands its context over at the start of a life and takes it back at the end. A platform that can reach into a
 * thread whose loop does not turn (the watchdog of `@selvedge/node`) captures a dump with it, by `Dump.captureUnsafe`.
 * The default does nothing.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Gives the context of a program to look at, until what it returns is called. */
  readonly attachUnsafe: (context: Context.Context<never>) => () => void
}

/**
 * @category services
 * @since 0.1.0
 */
export const Inspector: Context.Reference<Shape> = Context.Reference<Shape>("@selvedge/core/Inspector", {
  defaultValue: () => ({ attachUnsafe: () => () => {} })
})
