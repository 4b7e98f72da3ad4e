/**
 * Log lines about a task: with the task's own loggers, annotations and spans, and never more than a line. A logger that
 * throws loses its line; it ends no task, no join and no observer.
 *
 * @internal
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { label, quote } from "../../internal/quote.ts"
import type { Entry } from "./entry.ts"

/** Name, kind and id. */
export const titleOf = (entry: Entry): string => `${quote(entry.name)} (${label(entry.kind)} #${entry.id})`

export const annotated = (entry: Entry, line: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.annotateLogs(line, { task: entry.name, taskKind: entry.kind, taskId: entry.id })

export const harmless = (line: Effect.Effect<void>): Effect.Effect<void> => Effect.ignoreCause(line)

/** Writes a line now, from a plain callback. */
export const write = (context: Context.Context<never>, entry: Entry, line: Effect.Effect<void>): void => {
  Effect.runForkWith(context)(harmless(annotated(entry, line)))
}
