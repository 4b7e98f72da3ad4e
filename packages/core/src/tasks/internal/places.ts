/**
 * Places in kinds with a limit: who waits for one, who gets it, and who may not wait any longer.
 *
 * **Invariants**
 *
 * 1. `count` is the number of spawns that wait, over all kinds: while it is 0, an end costs a look at a number.
 * 2. A place that becomes free goes to who has waited longest and is still admitted.
 * 3. Nothing recurses along a line of waiting spawns: a task that ends in its first step frees its place for the next.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { RegistryClosed } from "../TaskRegistryError.ts"
import type { Entry, EntryKind } from "./entry.ts"
import type { Waiting } from "./waiting.ts"

export class Places {
  private count = 0
  private readonly kinds: ReadonlyMap<string, EntryKind>

  constructor(kinds: ReadonlyMap<string, EntryKind>) {
    this.kinds = kinds
  }

  /** Waits for a place, starts in it, and gives what was started; ends when `refusal` says why it has to. */
  wait<A>(
    kind: EntryKind,
    caller: Entry | undefined,
    refusal: () => RegistryClosed | undefined,
    start: () => A
  ): Effect.Effect<A, RegistryClosed> {
    return Effect.callback((resume) => {
      const waiting: Waiting = {
        caller,
        refusal,
        grant: () => {
          let granted: Effect.Effect<A>
          try {
            granted = Effect.succeed(start())
          } catch (defect) {
            granted = Effect.die(defect)
          }
          resume(granted)
        },
        refuse: (why) => resume(Effect.fail(why)),
        gone: false
      }
      kind.waiting.push(waiting)
      this.count++
      return Effect.sync(() => {
        if (kind.waiting.remove(waiting)) this.count--
      })
    })
  }

  /** Gives free places to who waits longest. A task that ends at once comes back here: hence the mark, not recursion. */
  grant(kind: EntryKind): void {
    if (this.count === 0 || kind.granting) return
    kind.granting = true
    while (kind.live < kind.policy.limit) {
      const next = kind.waiting.shift()
      if (next === undefined) break
      this.count--
      const why = next.refusal()
      if (why === undefined) next.grant()
      else next.refuse(why)
    }
    kind.granting = false
  }

  /** Ends the waits of those whose admission has ended. */
  refuse(): void {
    if (this.count === 0) return
    const refused = Array.from(this.kinds.values()).flatMap((kind) => kind.waiting.takeRefused())
    this.count -= refused.length
    for (const [waiting, why] of refused) waiting.refuse(why)
  }
}
