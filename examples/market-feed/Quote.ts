/**
 * What is known of a symbol: its latest tick.
 */
import * as Record from "@selvedge/core/memory/Record"

export const Quote = Record.struct({
  price: Record.f64,
  /** Milliseconds of the machine's clock when it was written, the same in all threads. */
  writtenAt: Record.f64,
  /** How many ticks of this symbol there were before. */
  tick: Record.u32
})

export type Quote = Record.Type<typeof Quote>

export const nowMillis = (): number => performance.timeOrigin + performance.now()
