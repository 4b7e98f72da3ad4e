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

export const program = WorkerProgram.make({
  handlers: [WorkerRequest.handler(Ask.Parse, (lines) => Effect.sync(() => lines.map(parseLine)))]
})
