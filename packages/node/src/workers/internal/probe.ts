/**
 * Loads a module in a thread that does nothing else, and tells whether its export is a program.
 *
 * @internal
 */
import type { StartFailed } from "@selvedge/core/workers/ContainerError"
import * as Effect from "effect/Effect"
import { Worker } from "node:worker_threads"
import { messageOf } from "./exits.ts"
import * as StartData from "./startData.ts"
import { after } from "./timer.ts"

export type Verdict =
  | { readonly _tag: "Passed" }
  | {
      readonly _tag: "Refused"
      readonly reason: StartFailed["reason"]
      readonly wanted: string
      readonly found: string
    }

/** A module that waits for something while it is loaded would never be ready either. */
const PATIENCE_MILLIS = 20_000

const broken = (found: string): Verdict => ({
  _tag: "Refused",
  reason: "ModuleBroken",
  wanted: "a module that can be loaded",
  found
})

export const load = (ref: StartData.ModuleRef): Effect.Effect<Verdict> =>
  Effect.callback<Verdict>((resume) => {
    let worker: Worker
    try {
      worker = new Worker(StartData.entry("probeEntry"), {
        name: "selvedge-probe",
        workerData: ref,
        stdout: true,
        stderr: true
      })
    } catch (error) {
      resume(Effect.succeed({ _tag: "Refused", reason: "SpawnRefused", wanted: "a thread", found: messageOf(error) }))
      return
    }
    // A verdict counts when its thread is gone: a check leaves nothing running behind.
    let verdict: Verdict | undefined
    const decide = (one: Verdict): void => {
      verdict ??= one
      void worker.terminate()
    }
    const forget = after(PATIENCE_MILLIS, () => decide(broken(`not loaded after ${PATIENCE_MILLIS} ms`)))
    worker.on("message", decide)
    worker.on("error", (error) => decide(broken(messageOf(error))))
    worker.on("exit", (code) => {
      forget()
      resume(Effect.succeed(verdict ?? broken(`it ended its thread with code ${code} while it was loaded`)))
    })
    return Effect.sync(() => {
      forget()
      void worker.terminate()
    })
  })
