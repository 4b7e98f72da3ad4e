/**
 * The first lines of a worker's process: small, so that they run before anything can be sent to it.
 *
 * While the link to its supervisor lives, signals start nothing here: a terminal sends them to the whole process group, so the
 * supervisor has them too and decides. A supervisor that is gone before it has said who this is needs nothing any more.
 *
 * @internal
 */
import * as CompileCache from "./compileCache.ts"
import type { StartData } from "./startData.ts"

CompileCache.enable()

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {})

let hear: (wire: unknown) => void = () => {}
let lost: () => void = () => process.exit(0)
const early: Array<unknown> = []
let isFirst = true

process.on("message", (wire) => {
  if (!isFirst) return hear(wire)
  isFirst = false
  hear = (later) => void early.push(later)
  void begin(wire as StartData)
})
process.on("disconnect", () => lost())

const begin = async (data: StartData): Promise<void> => {
  const { lead } = await import("./processWorker.ts")
  if (!process.connected) return lost()
  const side = lead(data)
  hear = side.receive
  lost = side.linkLost
  for (const wire of early.splice(0)) hear(wire)
}

if (process.send === undefined) throw new Error("this is the entry of a worker's process, not a program")
