/**
 * Workers that do nothing by themselves: a test says when one is ready, what it says, and when it is gone. A kill is noted and no more,
 * as with a thread that sits in native code.
 */
import * as Backend from "@selvedge/core/workers/Backend"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as Effect from "effect/Effect"
import { settle } from "./stage.ts"

export interface Puppet {
  readonly facts: Facts
  /** What it was sent, by tag. */
  readonly heard: ReadonlyArray<string>
  readonly kills: number
  readonly isGone: boolean
  /** Says something, at once. */
  readonly say: (wire: unknown) => void
  /** It is gone, at once. */
  readonly end: (exit: WorkerExit) => void
}

export const ready = { _tag: "Ready" }

/** The backend, and every life it ever began, oldest first. */
export const stage = (isKillable = false) => {
  const puppets: Array<Puppet> = []
  const backend: Backend.Shape = {
    name: "puppet",
    kind: "fiber",
    check: () => Effect.void,
    start: ({ context }, listener) =>
      Effect.sync(() => {
        const heard: Array<string> = []
        const puppet = {
          facts: context,
          heard,
          kills: 0,
          isGone: false,
          say: listener.message,
          end: (exit: WorkerExit) => {
            if (puppet.isGone) return
            puppet.isGone = true
            listener.exited(exit)
          }
        }
        puppets.push(puppet)
        return {
          place: "puppet",
          send: (wire) => {
            heard.push((wire as { readonly _tag: string })._tag)
            return !puppet.isGone
          },
          kill: () => {
            puppet.kills += 1
            if (isKillable) puppet.end({ _tag: "Signalled", signal: "SIGKILL" })
          }
        }
      })
  }
  /** Of a place, the life that was begun last. */
  const at = (ordinal: number): Puppet => puppets.findLast(({ facts }) => facts.ordinal === ordinal)!
  const act = (then: () => void) => Effect.andThen(Effect.sync(then), settle)
  return {
    backend,
    puppets,
    at,
    act,
    isReady: (...ordinals: ReadonlyArray<number>) =>
      act(() => {
        for (const ordinal of ordinals) at(ordinal).say(ready)
      })
  }
}

export const program = Backend.direct("a puppet's")
export const stopped: WorkerExit = { _tag: "Stopped", exitCode: 0, leftBehind: [] }
export const completed: WorkerExit = { _tag: "Completed" }
export const crashed: WorkerExit = { _tag: "Signalled", signal: "SIGSEGV" }
