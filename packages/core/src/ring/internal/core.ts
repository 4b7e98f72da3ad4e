/**
 * A ring as one thread sees it: the words, and the numbers of its layout that the hot path needs.
 *
 * @internal
 */
import * as Layout from "./layout.ts"

export class RingCore {
  readonly memory: SharedArrayBuffer
  readonly words: Int32Array
  readonly layout: Layout.RingLayout
  readonly capacity: number
  readonly mask: number
  readonly multi: boolean
  readonly stampsWord: number
  /** How many seats gated when the gate was last computed. */
  seated = 0
  /** Whether the last join took a vacant seat over. */
  tookOver = false

  constructor(memory: SharedArrayBuffer, layout: Layout.RingLayout) {
    this.memory = memory
    this.words = new Int32Array(memory, 0, layout.totalBytes >> 2)
    this.layout = layout
    this.capacity = layout.capacity
    this.mask = layout.capacity - 1
    this.multi = layout.multi
    this.stampsWord = layout.stampsWord
  }
}

/** Attaches to a region that is known to be a ring. */
export const attach = (memory: SharedArrayBuffer): RingCore | Layout.RegionProblem => {
  const layout = Layout.read(memory)
  return typeof layout === "string" ? layout : new RingCore(memory, layout)
}

export const isClosed = (core: RingCore): boolean => (Atomics.load(core.words, Layout.STATE_WORD) & Layout.CLOSED) !== 0

/** The next sequence to be handed out. */
export const claimed = (core: RingCore): number => Atomics.load(core.words, Layout.CLAIM_WORD)
