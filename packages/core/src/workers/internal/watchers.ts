/**
 * Fibers that wait for something about a container to become true.
 *
 * Whoever changes something calls `changed` after all of the change; everyone whose condition has come true is taken out
 * first and woken after, so that a woken fiber may change the state again.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

interface Watcher {
  readonly check: () => boolean
  readonly wake: () => void
}

export class Watchers {
  private readonly waiting = new Set<Watcher>()

  /** Waits until the condition holds; at once if it does already. */
  until(check: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (check()) return resume(Effect.void)
      const watcher: Watcher = { check, wake: () => resume(Effect.void) }
      this.waiting.add(watcher)
      return Effect.sync(() => void this.waiting.delete(watcher))
    })
  }

  changed(): void {
    const ready = Array.from(this.waiting).filter((watcher) => watcher.check())
    for (const watcher of ready) this.waiting.delete(watcher)
    for (const watcher of ready) watcher.wake()
  }
}
