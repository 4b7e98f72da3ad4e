/**
 * The heart of an event loop: a timer that says in shared memory that the loop turns.
 *
 * A timer runs only when the loop comes round, so a beat is a real turn. It holds nothing alive, and costs a store.
 *
 * @internal
 */
import type * as StrandRegistry from "@selvedge/core/diagnostics/StrandRegistry"
import { threadId } from "node:worker_threads"

export const LOOP = "EventLoop"

export interface Heart {
  readonly busyUnsafe: () => () => void
  readonly stopUnsafe: () => void
}

export const start = (loops: StrandRegistry.Shape, name: string, beatMillis: number): Heart => {
  const now = (): number => Number(process.hrtime.bigint() / 1_000_000n)
  const strand = loops.registerUnsafe(threadId + 1, name, LOOP, undefined, now())
  const timer = setInterval(() => void loops.heartbeatUnsafe(strand, now()), beatMillis)
  timer.unref()
  let busy = 0
  return {
    busyUnsafe: () => {
      if (++busy === 1) loops.markUnsafe(strand, "busy")
      let ended = false
      return () => {
        if (ended) return
        ended = true
        if (--busy === 0) loops.markUnsafe(strand, "running")
      }
    },
    stopUnsafe: () => {
      clearInterval(timer)
      loops.unregisterUnsafe(strand)
    }
  }
}
