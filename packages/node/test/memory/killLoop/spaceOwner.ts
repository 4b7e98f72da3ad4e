/**
 * The owner of the kill loop's space as a process: it makes what the members work on, or adopts it, recovers from deaths, and is the
 * notifier's one poller; until it is killed.
 *
 * `spaceOwner.ts <directory> <space> <on|off>` says `{"_tag":"Warm"}`, is told to go by a line, and says `{"_tag":"Owns"}`.
 *
 * @internal
 */
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createInterface } from "node:readline"
import { listen, isThere, make, open, recover } from "./prepared.ts"
import { MEMBERS } from "./shape.ts"

const [directory = "", name = "", recovery = "on"] = process.argv.slice(2)

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const program = Effect.gen(function* () {
  const prepared = (yield* isThere) ? yield* open(MEMBERS + 1) : yield* make
  if (recovery === "on") yield* recover(prepared)
  yield* Effect.forkChild(
    Effect.onError(listen(prepared), (cause) => Effect.sync(() => say({ failed: String(cause) })))
  )
  say({ _tag: "Owns" })
  return yield* Effect.never
})

createInterface({ input: process.stdin }).once("line", () => {
  const layer = Layer.merge(MappedMemory.layerMapped({ directory, name }), KeepAlive.layer)
  Effect.runPromise(KeepAlive.during(Effect.scoped(program)).pipe(Effect.provide(layer))).catch((error: unknown) => {
    say({ failed: String(error) })
    process.exitCode = 1
  })
})
say({ _tag: "Warm" })
