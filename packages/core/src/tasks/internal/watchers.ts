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
  private readonly watchers = new Set<Watcher>()

  changed(): void {
    if (this.watchers.size === 0) return
    let ready: Array<Watcher> | undefined
    for (const watcher of this.watchers) if (watcher.check()) (ready ??= []).push(watcher)
    if (ready === undefined) return
    for (const watcher of ready) this.watchers.delete(watcher)
    for (const watcher of ready) watcher.wake()
  }

  /** Waits until the condition holds; at once if it does already. */
  until(check: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (check()) return resume(Effect.void)
      const watcher: Watcher = { check, wake: () => resume(Effect.void) }
      this.watchers.add(watcher)
      return Effect.sync(() => void this.watchers.delete(watcher))
    })
  }

  get size(): number {
    return this.watchers.size
  }
}
