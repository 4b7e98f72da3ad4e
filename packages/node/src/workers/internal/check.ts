/**
 * Whether a worker's program can be loaded, asked before any worker starts.
 *
 * A module is loaded for the check by a thread of its own, which ends right after: what it does while it is loaded happens neither in the
 * supervisor's memory nor in a worker. A module that passed is not loaded again for a check until its file has changed.
 *
 * @internal
 */
import type * as Backend from "@selvedge/core/workers/Backend"
import { StartFailed } from "@selvedge/core/workers/ContainerError"
import * as Effect from "effect/Effect"
import { statSync } from "node:fs"
import { isAbsolute } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import * as Probe from "./probe.ts"
import type { ModuleRef } from "./startData.ts"

/** The module of a blueprint, as a URL a worker can import. */
export const refOf = (
  { program }: Backend.Blueprint,
  workers: "threads" | "processes"
): Effect.Effect<ModuleRef, StartFailed> => {
  if (program._tag === "Direct") {
    return fail("NeedsModule", "a program in a module (Backend.module)", `a value, which ${workers} cannot be handed`)
  }
  const url = isAbsolute(program.url) ? pathToFileURL(program.url).href : program.url
  return url.startsWith("file:")
    ? Effect.succeed({ ...program, url })
    : fail("ModuleUnknown", "a file: URL or an absolute path", JSON.stringify(program.url))
}

/** The module of a blueprint, looked at: it is there, it can be loaded, and its export is a program. */
export const moduleOf = Effect.fnUntraced(function* (
  blueprint: Backend.Blueprint,
  workers: "threads" | "processes"
): Effect.fn.Return<ModuleRef, StartFailed> {
  const ref = yield* refOf(blueprint, workers)
  const version = yield* versionOf(ref.url)
  const known = `${ref.url}\n${ref.exportName}\n${version}`
  if (passed.has(known)) return ref
  const verdict = yield* Probe.load(ref)
  if (verdict._tag === "Refused") return yield* fail(verdict.reason, verdict.wanted, verdict.found)
  passed.add(known)
  return ref
})

const passed = new Set<string>()

/** Changes when the file does. */
const versionOf = (url: string): Effect.Effect<string, StartFailed> =>
  Effect.suspend(() => {
    try {
      const { ino, mtimeMs, size } = statSync(fileURLToPath(url))
      return Effect.succeed(`${ino} ${mtimeMs} ${size}`)
    } catch {
      return fail("ModuleUnknown", "a module", `nothing at ${url}`)
    }
  })

const fail = (reason: StartFailed["reason"], wanted: string, found: string): Effect.Effect<never, StartFailed> =>
  Effect.fail(new StartFailed({ reason, wanted, found }))
