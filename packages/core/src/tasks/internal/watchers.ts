/**
 * Fibers that wait for a condition over plain state.
 *
 * Whoever changes the state calls `changed`; every watcher whose condition has come true is taken out first and woken
 * after, so that a woken fiber may change the state again.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

interface Watcher {
  readonly check: () => boolean
  readonly wake: () => void
}

export class Watchers {
  private watchers: Array<Watcher> = []

  changed(): void {
    if (this.watchers.length === 0) return
    const ready = this.watchers.filter((watcher) => watcher.check())
    if (ready.length === 0) return
    this.watchers = this.watchers.filter((watcher) => !ready.includes(watcher))
    for (const watcher of ready) watcher.wake()
  }

  /** Waits until the condition holds; at once if it does already. */
  until(check: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (check()) return resume(Effect.void)
      const watcher: Watcher = { check, wake: () => resume(Effect.void) }
      this.watchers.push(watcher)
      return Effect.sync(() => {
        this.watchers = this.watchers.filter((other) => other !== watcher)
      })
    })
  }
}
