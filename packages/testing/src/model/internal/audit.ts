/**
 * Finds writes the checker did not see: through a constructor kept from before the
 * exploration, a `Buffer`, or a function of the host.
 *
 * It keeps a copy of all shared memory, brings it up to date with every write that
 * came through the checker, and compares after every step. That is slow, so only
 * the rehearsal before the search is audited.
 *
 * @internal
 */
import { ModelError } from "../ModelError.ts"
import type { Auditing, Execution } from "./execution.ts"
import type { Cell, Region } from "./memory.ts"

/** Bytes that are only compared at the end. */
const LARGE = 16_384

export class Audit implements Auditing {
  readonly #copies = new Map<Region, Uint8Array>()

  /** Take memory as it is now. */
  begin(regions: ReadonlyArray<Region>): void {
    this.#copies.clear()
    for (const region of regions) this.#copies.set(region, region.bytes.slice())
  }

  wrote(cell: Cell): void {
    const { region } = cell
    const at = cell.address - region.base
    this.#copies.get(region)?.set(region.bytes.subarray(at, at + cell.size), at)
  }

  /** After a step; `all` also where looking after every step would take too long. */
  compare(execution: Execution, all: boolean): void {
    for (const [region, copy] of this.#copies) {
      if (!all && copy.length > LARGE) continue
      const at = copy.findIndex((byte, i) => byte !== region.bytes[i])
      if (at < 0) continue
      const message =
        `${region.nameOf(region.base + at)} was written behind the checker's back, by a constructor kept from before the ` +
        "exploration (`const I32 = Int32Array`), by Buffer, or by a function of the host. Write through views made in the body."
      execution.fatal = new ModelError({ reason: "outside", message })
      execution.fail("exception", message, execution.current)
      return
    }
  }
}
