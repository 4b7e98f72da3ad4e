/**
 * Who is told when something about a life changes: its stage, its phase, its reload, its containers.
 *
 * Nobody is told what has changed: whoever listens looks at the life and acts on what it finds. So it does not matter how
 * many changes one call stands for, and a call without a change is harmless.
 *
 * **Invariants**
 *
 * 1. Told after all of a change, in the same turn.
 * 2. Who waits is taken out before anybody is woken: a woken fiber may change the life again.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

export class Changes {
  private readonly listeners = new Set<() => void>()

  /** From now on; what it gives ends it. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Waits until a condition holds; at once if it does already. */
  until(check: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (check()) return resume(Effect.void)
      const stop = this.listen(() => {
        if (!check()) return
        stop()
        resume(Effect.void)
      })
      return Effect.sync(stop)
    })
  }

  changed(): void {
    for (const listener of Array.from(this.listeners)) if (this.listeners.has(listener)) listener()
  }
}
