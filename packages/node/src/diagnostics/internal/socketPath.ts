/**
 * Where the watchdog listens: a socket that only its own user can reach, in a folder only that user can write to.
 *
 * **Invariants**
 *
 * 1. Nothing but a socket nobody listens at is ever removed.
 * 2. A folder that others can write to is refused: they could put something of theirs in the socket's place.
 *
 * @internal
 */
import { lstatSync, mkdirSync, readdirSync, unlinkSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"

/** The kernel keeps 108 bytes, and the last is 0. */
const MOST_BYTES = 107

/** What is wrong, or where to listen. */
export type Place =
  | { readonly path: string }
  | { readonly problem: string; readonly wanted: string; readonly path: string }

/** `<runtime folder or temporary folder>/selvedge-<user>/<service>-<pid>.sock` */
export const automatic = (service: string): string => {
  const base = process.env["XDG_RUNTIME_DIR"] ?? tmpdir()
  const name = service.replaceAll(/[^\w.-]/g, "_").slice(0, 32)
  return path.join(base, `selvedge-${process.getuid?.() ?? "user"}`, `${name}-${process.pid}.sock`)
}

/** Removes the automatic sockets of processes that are no more: a killed one could not. */
export const sweep = (own: string): void => {
  const folder = path.dirname(own)
  try {
    for (const name of readdirSync(folder)) {
      const pid = /-(\d+)\.sock$/.exec(name)?.[1]
      if (pid !== undefined && !isAlive(Number(pid)) && lstatSync(path.join(folder, name)).isSocket()) {
        remove(path.join(folder, name))
      }
    }
  } catch {
    // No folder yet, or not ours to read: `prepare` says what is wrong with it.
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH")
  }
}

/** Makes the folder if there is none, and the place free if a dead process left its socket there. */
export const prepare = async (given: string): Promise<Place> => {
  const at = path.resolve(given)
  const refuse = (wanted: string, problem: string): Place => ({ path: at, wanted, problem })
  const bytes = Buffer.byteLength(at)
  if (bytes > MOST_BYTES) return refuse(`a path of at most ${MOST_BYTES} bytes`, `${bytes} bytes`)
  const folder = path.dirname(at)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { mode, uid } = lstatSync(folder)
    const isMine = process.getuid === undefined || uid === process.getuid()
    if (!isMine || (mode & 0o022) !== 0) {
      const found = `${folder} with mode ${(mode & 0o7777).toString(8)}${isMine ? "" : `, of user ${uid}`}`
      return refuse("a folder of this user that nobody else can write to", found)
    }
    const found = lstatSync(at, { throwIfNoEntry: false })
    if (found === undefined) return { path: at }
    if (!found.isSocket()) return refuse("a path with nothing at it, or a socket that was left behind", "another file")
    if (await isServed(at)) return refuse("a socket nobody listens at", "one at which another process listens")
    unlinkSync(at)
    return { path: at }
  } catch (error) {
    return refuse("a folder to listen in", error instanceof Error ? error.message : String(error))
  }
}

const isServed = (at: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(at)
    socket.on("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.on("error", () => resolve(false))
  })

export const remove = (at: string): void => {
  try {
    unlinkSync(at)
  } catch {
    // Gone already.
  }
}
