/**
 * Run a model's threads in every order that can make a difference.
 */
import type { ExploreOptions, Model, Report, Threads } from "./Model.ts"
import { ModelError } from "./ModelError.ts"
import { active } from "./internal/views.ts"
import { AsyncHost } from "./internal/async.ts"
import { install } from "./internal/instrument.ts"
import { CALL, CHOOSE, RETURN } from "./internal/op.ts"
import { labelView } from "./internal/memory.ts"
import { Session } from "./internal/session.ts"

/**
 * Explore a model.
 *
 * **Details**
 *
 * Works on unmodified code: while it runs, `Atomics`, typed arrays, `DataView`, `SharedArrayBuffer`, shared
 * `WebAssembly.Memory`, `Date.now`, `performance.now` and `Math.random` are replaced, and put back before it returns.
 *
 * **Errors**
 *
 * Throws `ModelError` for a model that cannot be explored. A model that fails is a report, not an exception.
 *
 * **Gotchas**
 *
 * A body is run many times, with its past answers: it may change only its own variables and shared memory. What it
 * attaches to shared memory it attaches inside itself.
 *
 * **Example** (two increments that are not atomic)
 *
 * ```ts
 * import { explore } from "@selvedge/testing/model"
 *
 * const report = explore({
 *   setup: () => new Int32Array(new SharedArrayBuffer(4)),
 *   threads: {
 *     a: (x) => Atomics.add(x, 0, 1),
 *     b: (x) => Atomics.add(x, 0, 1)
 *   },
 *   check: (x) => x[0] === 2
 * })
 * console.log(report._tag, report.executions) // "Exhausted" 2
 * ```
 *
 * @category exploring
 * @since 0.1.0
 */
export const explore = <S, T extends Threads<S>>(model: Model<S, T>, options: ExploreOptions = {}): Report => {
  const session = new Session(model as unknown as Model<S, Threads<S>>, options)
  const uninstall = install(session.engine)
  try {
    const step = session.run().next()
    if (step.done !== true) throw new Error("an execution without awaiting has to end at once")
    return step.value
  } finally {
    uninstall()
  }
}

/**
 * Explore a model whose bodies are async functions, and may use `Atomics.waitAsync`.
 *
 * **Details**
 *
 * A body may await what `Atomics.waitAsync` gave it, other async functions of its own, and promises that are settled by
 * the thread itself. Several outstanding waits are delivered in every order. It is slower than `explore` by ten times and
 * more: after each turn the event loop has to come round.
 *
 * **Errors**
 *
 * Rejects with `ModelError` for a model that cannot be explored: one that awaits a timer, or anything else from outside.
 *
 * **Gotchas**
 *
 * The patches stay in while the exploration awaits; explorations of one process must not overlap.
 *
 * @category exploring
 * @since 0.1.0
 */
export const exploreAsync = async <S, T extends Threads<S>>(
  model: Model<S, T>,
  options: ExploreOptions = {}
): Promise<Report> => {
  const session = new Session(model as unknown as Model<S, Threads<S>>, options)
  session.engine.host = new AsyncHost(session.engine)
  const uninstall = install(session.engine)
  try {
    const run = session.run()
    let step = run.next()
    while (step.done !== true) {
      await step.value
      step = run.next()
    }
    return step.value
  } finally {
    uninstall()
  }
}

/** On a real thread that runs a schedule again, the answers are in the schedule. */
const scripted = (): number | undefined => {
  const answer = (globalThis as unknown as Record<symbol, (() => number) | undefined>)[
    Symbol.for("@selvedge/testing/model/choose")
  ]
  return answer?.()
}

/**
 * One of `0…n-1`; the explorer tries all of them. Outside an exploration, 0.
 *
 * **Errors**
 *
 * Throws `ModelError` unless `n` is a whole number from 1 to 30.
 *
 * @category in a body
 * @since 0.1.0
 */
export const choose = (n: number): number => {
  if (!Number.isInteger(n) || n < 1 || n > 30) {
    throw new ModelError({
      reason: "misuse",
      message: `choose: wanted a whole number from 1 to 30, found ${String(n)}.`
    })
  }
  const engine = active.engine
  if (engine === undefined || engine.current < 0) return scripted() ?? 0
  return engine.perform(CHOOSE, undefined, 0, n, undefined) as number
}

/**
 * Name the elements of a view in traces; the same as `label` of `Setup`. Outside an exploration it does nothing.
 *
 * @category in a body
 * @since 0.1.0
 */
export const label = (view: object, name: string | ReadonlyArray<string>): void => {
  if (active.engine !== undefined) labelView(view, name)
}

/**
 * Run `f` as one recorded operation: when it was called, when it returned, and what. See `linearizable`.
 *
 * **Example**
 *
 * ```ts
 * import { op } from "@selvedge/testing/model"
 *
 * const push = (stack: { push(n: number): boolean }, n: number) => op("push", n, () => stack.push(n))
 * ```
 *
 * @category in a body
 * @since 0.1.0
 */
export const op = <A>(name: string, arg: unknown, f: () => A): A => {
  const engine = active.engine
  if (engine === undefined || engine.current < 0) return f()
  engine.perform(CALL, undefined, 0, name, arg)
  const result = f()
  engine.perform(RETURN, undefined, 0, result, undefined)
  return result
}
