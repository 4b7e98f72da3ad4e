/**
 * An event as it lies in the ring, and who counts it.
 *
 * Every worker sees every record; the one whose number is in it counts it. A key always goes to the same worker, so no two of
 * them ever have a row for it.
 */
import * as Record from "@selvedge/core/memory/Record"

/** The longest key has 200 UTF-16 units, and each takes at most three bytes. */
const KEY_BYTES = 600

export const EventRecord = Record.struct({
  /** Counts the events of all times, from 1: what a snapshot remembers to have counted. */
  number: Record.f64,
  value: Record.f64,
  worker: Record.u16,
  key: Record.string(KEY_BYTES)
})

export type EventRecord = Record.Type<typeof EventRecord>

/** The ring's region, as the workers know it. */
export const REGION = "events"

/** The worker that counts a key. */
export const workerOf = (key: string, workers: number): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return (hash >>> 0) % workers
}

/** The owner of everything one life of a worker has in the ring: no other life has the same. */
export const ownerOf = ({ generation, ordinal }: { readonly generation: number; readonly ordinal: number }): number =>
  2 ** 30 + (generation % 2 ** 20) * 2 ** 10 + ordinal

export const seatOf = (ordinal: number): string => `aggregate ${ordinal}`
