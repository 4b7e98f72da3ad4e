/**
 * Answers of sources, sorted into the lists of a dump.
 *
 * A source of selvedge itself answers with rows of the schema; anything else it might answer is shown as a section, like
 * a failure.
 *
 * @internal
 */
import * as Schema from "effect/Schema"
import type { PlatformFacts } from "../DumpFacts.ts"
import * as DumpSchema from "../DumpSchema.ts"
import type { Source } from "../DumpSources.ts"
import type { Answer } from "./ask.ts"
import { plain } from "./plain.ts"

export interface Told {
  readonly workers: Array<DumpSchema.WorkerRow>
  readonly incidents: Array<DumpSchema.IncidentRow>
  readonly rings: Array<typeof DumpSchema.RingRow.Type>
  readonly notifiers: Array<typeof DumpSchema.NotifierRow.Type>
  readonly regions: Array<{ readonly name: string; readonly bytes: number }>
  readonly sections: Array<DumpSchema.Section>
}

const isWorkers = Schema.is(Schema.Array(DumpSchema.WorkerRow))
const isIncidents = Schema.is(Schema.Array(DumpSchema.IncidentRow))
const isRing = Schema.is(DumpSchema.RingRow)
const isNotifier = Schema.is(DumpSchema.NotifierRow)

export const distribute = (answers: ReadonlyArray<readonly [Source, Answer]>): Told => {
  const told: Told = { workers: [], incidents: [], rings: [], notifiers: [], regions: [], sections: [] }
  for (const [source, answer] of answers) {
    if (answer.state !== "told") {
      told.sections.push({ name: source.name, state: answer.state, value: null, problem: answer.problem })
    } else if (!enter(told, source, answer.value)) {
      told.sections.push({ name: source.name, state: "told", value: plain(answer.value), problem: null })
    }
  }
  return told
}

const enter = (told: Told, { name, subject }: Source, value: unknown): boolean => {
  switch (subject) {
    case "workers":
      return isWorkers(value) && told.workers.push(...value) >= 0
    case "incidents":
      return isIncidents(value) && told.incidents.push(...value) >= 0
    case "ring":
      return isRing(value) && told.rings.push(value) > 0
    case "notifier":
      return isNotifier(value) && told.notifiers.push(value) > 0
    case "region":
      return typeof value === "number" && Number.isFinite(value) && told.regions.push({ name, bytes: value }) > 0
    case "section":
      return false
  }
}

export const memory = (
  platform: PlatformFacts["memory"],
  regions: Told["regions"]
): typeof DumpSchema.MemoryFacts.Type | null => {
  if (platform === null && regions.length === 0) return null
  const unknown = { rss: null, heapUsed: null, heapTotal: null, external: null, arrayBuffers: null }
  return { ...unknown, ...platform, regions }
}
