/**
 * What the watchdog evaluates in a thread it watches: who holds it, with the stack, and a dump if that is wanted.
 *
 * The hook stands in a global symbol, and is called through the inspector: V8 runs it in the middle of whatever blocks the
 * thread, at the next check of the stack, also inside a loop without calls, a regular expression or `Atomics.wait`. Native
 * code runs it when it comes back. Nothing is paused, no debugger is enabled, and until somebody asks it costs nothing.
 *
 * The hook runs inside of somebody else's function, so it only looks. Facts behind this were measured on Node 26.10: an
 * answer takes 6 to 20 ms, and its stack has the frames of the blocked code below the hook's own.
 *
 * @internal
 */
import type * as DumpSchema from "@selvedge/core/inspection/DumpSchema"
import * as Dump from "@selvedge/core/inspection/Dump"
import type { Culprit } from "@selvedge/core/inspection/Verdict"
import * as Watchdog from "@selvedge/core/inspection/Watchdog"
import { taskOfUnsafe } from "@selvedge/core/tasks/TaskRegistry"
import type * as Context from "effect/Context"
import * as Fiber from "effect/Fiber"

const KEY = "@selvedge/node/inspect"

/** What the hook gives, as JSON. */
export interface Answer {
  readonly culprit: Culprit
  readonly dump: DumpSchema.Dump | null
}

/** What is evaluated. `undefined` where nothing is installed. */
export const expression = (occasion: DumpSchema.Occasion | undefined): string =>
  `globalThis[Symbol.for(${JSON.stringify(KEY)})]?.(${JSON.stringify(occasion ?? null)})`

const FRAMES = 40
/** The frame of the evaluated expression: what comes after it is the thread's own. */
const EVALUATED = "at <anonymous>:1:"

const contexts = new Set<Context.Context<never>>()

/** Lets a context be looked at, until what it returns is called. */
export const install = (context: Context.Context<never>): (() => void) => {
  contexts.add(context)
  Reflect.set(globalThis, Symbol.for(KEY), answer)
  return () => {
    contexts.delete(context)
    if (contexts.size === 0) Reflect.deleteProperty(globalThis, Symbol.for(KEY))
  }
}

const answer = (occasion: DumpSchema.Occasion | null): string => {
  // The newest: a service inside of a test, say.
  const context = Array.from(contexts).at(-1)
  const culprit = culpritNow()
  const dump = occasion === null || context === undefined ? null : Dump.captureUnsafe(context, { occasion })
  return JSON.stringify({ culprit, dump } satisfies Answer)
}

const culpritNow = (): Culprit => {
  const fiber = Fiber.getCurrent()
  const task = fiber === undefined ? undefined : taskOfUnsafe(fiber)
  return {
    task: task === undefined ? null : { id: task.id, name: task.name, kind: task.kind },
    allowedMillis: fiber?.getRef(Watchdog.LongWork) ?? null,
    stack: stackNow()
  }
}

const stackNow = (): ReadonlyArray<string> => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = FRAMES
  const lines = (new Error("stack").stack ?? "").split("\n").map((line) => line.trim())
  Error.stackTraceLimit = limit
  return lines.slice(lines.findIndex((line) => line.startsWith(EVALUATED)) + 1).filter((line) => line.startsWith("at "))
}
