/**
 * Events in the entries of `recorder.ts`: what is written into an entry, and what is read from it.
 *
 * @internal
 */
import * as Layout from "./recorderLayout.ts"
import {
  PAYLOAD_GENERATION,
  PAYLOAD_ID,
  PAYLOAD_LENGTHS,
  PAYLOAD_ORDINAL,
  PAYLOAD_TEXT,
  PAYLOAD_TIME,
  PAYLOAD_WHAT,
  TEXT_WORDS,
  WHAT_WORDS
} from "./recorderLayout.ts"
import { ownerOf } from "./owner.ts"
import * as Recorder from "./recorder.ts"
import * as Text from "./text.ts"
import * as Wide from "./wide.ts"

/** One thread's side. */
export interface EventTable {
  readonly recorder: Recorder.Recorder
  readonly ordinal: number
  readonly generation: number
  /** Where an event is put together. */
  readonly draft: Int32Array
}

export const attach = (
  memory: SharedArrayBuffer,
  layout: Layout.RecorderLayout,
  ordinal: number,
  generation: number
): EventTable => ({
  recorder: Recorder.attach(memory, layout, ownerOf(ordinal, generation)),
  ordinal,
  generation,
  draft: new Int32Array(Layout.PAYLOAD_WORDS)
})

/** `false` if there was no entry to be had. */
export const record = (table: EventTable, what: string, id: number, text: string, atMillis: number): boolean => {
  const { draft, recorder } = table
  // Before the entry is begun: what may take long is done while it is nobody's.
  const whatLength = Text.encode(what, draft, PAYLOAD_WHAT, WHAT_WORDS)
  const textLength = Text.encode(text, draft, PAYLOAD_TEXT, TEXT_WORDS)
  draft[PAYLOAD_TIME] = atMillis
  draft[PAYLOAD_TIME + 1] = Wide.highOf(atMillis)
  draft[PAYLOAD_ORDINAL] = table.ordinal
  draft[PAYLOAD_GENERATION] = table.generation
  draft[PAYLOAD_ID] = id
  draft[PAYLOAD_ID + 1] = Wide.highOf(id)
  draft[PAYLOAD_LENGTHS] = whatLength | (textLength << 16)
  const payload = Recorder.begin(recorder)
  if (payload === Recorder.NO_ENTRY) return false
  const { words } = recorder
  for (let i = 0; i < draft.length; i++) words[payload + i] = draft[i]!
  Recorder.finish(recorder)
  return true
}

/** An event as it was found. */
export interface Found {
  readonly ticket: number
  readonly atMillis: number
  readonly ordinal: number
  readonly generation: number
  readonly what: string
  readonly id: number
  readonly text: string
  readonly textCut: boolean
}

/** What is whole, oldest first, and how many entries are not. */
export const read = (
  words: Int32Array,
  layout: Layout.RecorderLayout
): { readonly events: ReadonlyArray<Found>; readonly torn: number } => {
  const events: Array<Found> = []
  const payload = new Int32Array(Layout.PAYLOAD_WORDS)
  let torn = Atomics.load(words, Layout.TORN_WORD)
  for (let entry = 0; entry < layout.capacity; entry++) {
    const ticket = Recorder.copyEntry(words, entry, payload)
    if (ticket >= 0) events.push(decode(ticket, payload))
    else if (ticket === Recorder.TORN) torn++
  }
  const newest = Recorder.nextTicket(words)
  return { events: events.toSorted((a, b) => Recorder.age(newest, b.ticket) - Recorder.age(newest, a.ticket)), torn }
}

const decode = (ticket: number, payload: Int32Array): Found => {
  const lengths = payload[PAYLOAD_LENGTHS]!
  return {
    ticket,
    atMillis: Wide.join(payload[PAYLOAD_TIME + 1]!, payload[PAYLOAD_TIME]!),
    ordinal: payload[PAYLOAD_ORDINAL]!,
    generation: payload[PAYLOAD_GENERATION]!,
    what: Text.decode(payload, PAYLOAD_WHAT, lengths & 0xffff),
    id: Wide.join(payload[PAYLOAD_ID + 1]!, payload[PAYLOAD_ID]!),
    text: Text.decode(payload, PAYLOAD_TEXT, lengths >>> 16),
    textCut: ((lengths >>> 16) & Text.CUT) !== 0
  }
}
