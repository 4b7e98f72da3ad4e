/**
 * Where a fiber stands: the spans and the `Effect.fn`s it is inside, and where in the source they were entered.
 *
 * Effect keeps this for its own stack traces, so looking is free until somebody looks. A fiber knows nothing of plain
 * JavaScript it called; that is on the stack of the thread while it runs.
 *
 * @internal
 */
import type * as Fiber from "effect/Fiber"
import type * as Schema from "effect/Schema"
import type * as Tracer from "effect/Tracer"
import type * as DumpSchema from "../DumpSchema.ts"
import { cut } from "./plain.ts"

type Level = Schema.Schema.Type<typeof DumpSchema.Level>

/** How many levels are told: enough for a handler, what it calls, and what that calls. */
const LEVELS = 6
/** Frames that say where a function was written, beside the one that says where it was called. */
const DEFINITION = " (definition)"
const NANOS = 1_000_000n

export interface Where {
  readonly inside: ReadonlyArray<Level>
  readonly insideMillis: number | null
}

export const nowhere: Where = { inside: [], insideMillis: null }

/** Never throws. */
export const whereOf = (fiber: Fiber.Fiber<unknown, unknown>, wallMillis: number): Where => {
  try {
    const { span, stackFrame } = fiber.cache
    const inside: Array<Level> = []
    for (let frame = stackFrame; frame !== undefined && inside.length < LEVELS; frame = frame.parent) {
      if (!frame.name.endsWith(DEFINITION)) inside.push({ name: cut(frame.name, 200), at: placeOf(frame.stack()) })
    }
    // A span that was made by hand has no frame; the innermost one is told in any case.
    if (span?._tag === "Span" && !inside.some((level) => level.name === span.name)) {
      inside.unshift({ name: cut(span.name, 200), at: null })
    }
    return { inside, insideMillis: span?._tag === "Span" ? sinceStart(span, wallMillis) : null }
  } catch {
    return nowhere
  }
}

const sinceStart = (span: Tracer.Span, wallMillis: number): number =>
  Math.max(0, wallMillis - Number(span.status.startTime / NANOS))

/** `at name (file:///x.ts:1:2)` or `at file:///x.ts:1:2` as `/x.ts:1:2`. */
const placeOf = (line: string | undefined): string | null => {
  if (line === undefined) return null
  const place = /\(([^()]+)\)\s*$/.exec(line)?.[1] ?? line.trim().replace(/^at\s+/, "")
  return place === "" ? null : cut(place.replace(/^file:\/\//, ""), 300)
}
