/**
 * Where a ring's sleepers sleep.
 *
 * @internal
 */
import type { Bed } from "../../memory/Waking.ts"
import type { RingCore } from "./core.ts"
import * as Layout from "./layout.ts"

/** Whoever waits for room, or for consumers. */
export const ofWriters = ({ words }: RingCore): Bed => ({
  words,
  stateWord: Layout.STATE_WORD,
  bit: Layout.WRITERS_ASLEEP,
  bellWord: Layout.WRITER_BELL_WORD
})

/** Consumers with nothing to take. */
export const ofReaders = ({ words }: RingCore): Bed => ({
  words,
  stateWord: Layout.STATE_WORD,
  bit: Layout.READERS_ASLEEP,
  bellWord: Layout.READER_BELL_WORD
})
