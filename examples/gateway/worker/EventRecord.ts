/**
 * An event as it lies in the ring, and who counts it.
 *
 * Every worker that counts sees every record; the one whose shard is in it counts it. A key always goes to the same shard, so no two of
 * them ever have a row for it.
 */
import * as Record from "@selvedge/core/memory/Record"

/** The longest key has 200 UTF-16 units, and each takes at most three bytes. */
const KEY_BYTES = 600

export const EventRecord = Record.struct({
  /** Counts the events of all times, from 1: what a snapshot remembers to have counted. */
  number: Record.f64,
  value: Record.f64,
  shard: Record.u16,
  key: Record.string(KEY_BYTES)
})

export type EventRecord = Record.Type<typeof EventRecord>

/** The ring's region, as the workers know it. */
export const REGION = "events"

/** The shard of a key. */
export const shardOf = (key: string, shards: number): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return (hash >>> 0) % shards
}

/** The seat of whoever counts a shard, life after life. */
export const seatOf = (shard: number): string => `aggregate ${shard}`
