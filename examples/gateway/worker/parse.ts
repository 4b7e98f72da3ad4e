/**
 * A parser of the gateway: lines in, events or problems out. It keeps nothing, so any one does, and any number of them.
 */
import { WorkerProgram, WorkerRequest } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Event from "../Event.ts"
import * as Ask from "./requests.ts"

const parseLine = (line: string) =>
  Result.match(Event.parse(line), { onFailure: (problem) => ({ problem }), onSuccess: (event) => ({ event }) })

/** Only where somebody is to be killed: nobody else has a thread in another process at hand. */
const vanish = WorkerRequest.handler(Ask.Vanish, () => Effect.sync(() => process.exit(9)))

export const program = WorkerProgram.make({
  handlers: [
    WorkerRequest.handler(Ask.Parse, (lines) => Effect.sync(() => lines.map(parseLine))),
    ...(process.env["DEMO_KILLABLE"] === "yes" ? [vanish] : [])
  ]
})
