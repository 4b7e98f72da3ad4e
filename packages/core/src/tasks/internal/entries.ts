/**
 * The live tasks of a registry in the order of their spawns: a list through the entries themselves, because a map would
 * cost each of a million tasks a third of what its entry costs, and every spawn and end a hash.
 *
 * **Invariants**
 *
 * 1. `size` is the number of entries in the list; an entry is added once and taken out once.
 * 2. An entry that was taken out points to none: a handle that is kept keeps no other alive.
 *
 * @internal
 */
import type { Entry } from "./entry.ts"

export class Entries implements Iterable<Entry> {
  private first: Entry | undefined = undefined
  private last: Entry | undefined = undefined
  size = 0

  add(entry: Entry): void {
    entry.before = this.last
    if (this.last === undefined) this.first = entry
    else this.last.after = entry
    this.last = entry
    this.size++
  }

  delete(entry: Entry): void {
    const { after, before } = entry
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
    entry.before = undefined
    entry.after = undefined
    this.size--
  }

  /** Oldest first. For a walk on which nothing changes; else take `all`. */
  *[Symbol.iterator](): Iterator<Entry> {
    for (let entry = this.first; entry !== undefined; entry = entry.after) yield entry
  }

  /** Oldest first, as they are now. */
  all(): Array<Entry> {
    const found: Array<Entry> = []
    for (let entry = this.first; entry !== undefined; entry = entry.after) found.push(entry)
    return found
  }

  find(id: number): Entry | undefined {
    for (let entry = this.first; entry !== undefined; entry = entry.after) if (entry.id === id) return entry
    return undefined
  }
}
