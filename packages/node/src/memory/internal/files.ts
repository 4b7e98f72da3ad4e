/**
 * The files of a space: a private directory, a control file, one file for each region.
 *
 * ```text
 *  <directory>/            0700, of this user; its parent is there
 *    <name>                0600, the control file, 64 KiB
 *    <name>.<serial>       0600, a region: its bytes, rounded up to 64 KiB, then a seal of 4 KiB
 * ```
 *
 * A _seal_ says which space and which serial a region's file belongs to; it lies behind what is mapped.
 *
 * **Invariants**
 *
 * 1. Nothing is created, changed or removed before it was found to be ours.
 * 2. A file has blocks for all of its bytes before it is mapped.
 *
 * @internal
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { FileRefused, InvalidSpace } from "../MappingError.ts"
import type { Door } from "./native.ts"
import { NativeError, roundUpToPage } from "./pages.ts"
import { tooSmallFor } from "./room.ts"

const SEAL_BYTES = 4096
/** `"SLVG"` read as one little-endian word. */
const SEAL_MAGIC = 0x47564c53
const SEAL_VERSION = 1
const SEAL_WORDS = 7

/** Longer ones would not fit macOS' names of shared memory: a slash, the name, a dot and a serial in 31 characters. */
const SPACE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,23}$/
const REGION_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/

/** How a name is shown: as a string, short. */
const show = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value) : typeof value

export const checkSpaceName = (name: unknown): void => {
  if (typeof name === "string" && SPACE_NAME.test(name)) return
  const wanted =
    "1 to 24 letters, digits, - and _, the first one a letter or digit (with a slash and a serial it has to fit macOS' 31 characters)"
  throw new InvalidSpace({ field: "name", wanted, found: show(name) })
}

export const checkRegionName = (name: unknown): void => {
  if (typeof name === "string" && REGION_NAME.test(name)) return
  const wanted = "1 to 32 letters, digits, dots, - and _, the first one a letter or digit"
  throw new InvalidSpace({ field: "region", wanted, found: show(name) })
}

const codeOf = (error: unknown): string =>
  error instanceof NativeError ? error.code : String((error as NodeJS.ErrnoException | undefined)?.code ?? error)

/** What the system says, as what differs. Anything unknown is thrown on. */
export const refusedBy = (file: string, error: unknown): unknown => {
  switch (codeOf(error)) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new FileRefused({ path: file, differs: "permission", wanted: "read and write", found: codeOf(error) })
    case "ELOOP":
      return new FileRefused({ path: file, differs: "kind", wanted: "a file", found: "a symbolic link" })
    case "EISDIR":
      return new FileRefused({ path: file, differs: "kind", wanted: "a file", found: "a directory" })
    case "ENXIO":
      return new FileRefused({ path: file, differs: "kind", wanted: "a file", found: "a socket" })
    case "ENOSPC":
    case "EFBIG":
    case "EDQUOT":
      return new FileRefused({ path: file, differs: "space left", wanted: "room for it", found: codeOf(error) })
    default:
      return error
  }
}

/** Makes the directory if there is none; refuses one that others may enter. */
export const prepareDirectory = (directory: unknown): void => {
  if (typeof directory !== "string" || !path.isAbsolute(directory) || directory.includes("\0")) {
    throw new InvalidSpace({ field: "directory", wanted: "an absolute path", found: show(directory) })
  }
  const refuse = (differs: "directory" | "permission", wanted: string, found: string): never => {
    throw new FileRefused({ path: directory, differs, wanted, found })
  }
  try {
    fs.mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    const code = codeOf(error)
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG")
      refuse("directory", "a directory it can be made in", code)
    if (code !== "EEXIST") throw refusedBy(directory, error)
  }
  const found = fs.lstatSync(directory)
  if (!found.isDirectory()) refuse("directory", "a directory", found.isFile() ? "a file" : "a symbolic link")
  checkPrivate(directory, found, 0o700)
}

/** Owned by this user, and closed to all others. */
const checkPrivate = (file: string, { mode, uid }: fs.Stats, wanted: number): void => {
  const me = process.getuid?.() ?? 0
  const refuse = (text: string, found: string): never => {
    throw new FileRefused({ path: file, differs: "permission", wanted: text, found })
  }
  if (uid !== me) refuse(`a file of user ${me}`, `one of user ${uid}`)
  if ((mode & 0o077) !== 0) refuse(`mode ${wanted.toString(8)}`, `mode ${(mode & 0o777).toString(8)}`)
}

/** Opens a file of ours for reading and writing; throws `FileRefused`, or `ENOENT` as it is. Never follows a link. */
export const openFile = (file: string, flags: number): number => {
  let fd: number
  try {
    fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW | flags, 0o600)
  } catch (error) {
    throw refusedBy(file, error)
  }
  try {
    const found = fs.fstatSync(fd)
    if (!found.isFile()) {
      throw new FileRefused({ path: file, differs: "kind", wanted: "a file", found: "something else" })
    }
    checkPrivate(file, found, 0o600)
    return fd
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

/** Whether the path still leads to the open file. */
export const isStill = (file: string, fd: number): boolean => {
  try {
    const [there, here] = [fs.lstatSync(file), fs.fstatSync(fd)]
    return there.ino === here.ino && there.dev === here.dev
  } catch {
    return false
  }
}

/** What a region's file belongs to. */
export interface Seal {
  /** Two words. */
  readonly space: readonly [number, number]
  readonly serial: number
  /** As they were asked for. */
  readonly bytes: number
}

export const regionPath = (spacePath: string, serial: number): string => `${spacePath}.${serial}`

/** Creates a region's file, with its space reserved and its seal written. */
export const createRegion = (door: Door, file: string, seal: Seal): number => {
  const mapped = roundUpToPage(seal.bytes)
  checkRoom(file, mapped + SEAL_BYTES)
  const fd = openNew(file, seal)
  try {
    door.reserve(fd, mapped + SEAL_BYTES)
    fs.writeSync(fd, sealOf(seal), 0, SEAL_WORDS * 4, mapped)
    return fd
  } catch (error) {
    fs.unlinkSync(file)
    fs.closeSync(fd)
    throw refusedBy(file, error)
  }
}

/** A group of processes that has no memory left is not told so: one of them is killed. */
const checkRoom = (file: string, bytes: number): void => {
  const room = tooSmallFor(path.dirname(file), bytes)
  if (room === undefined) return
  const found = `${room.bytes} left of the ${room.limit} bytes of control group ${room.group}`
  throw new FileRefused({ path: file, differs: "memory left", wanted: `${bytes} bytes`, found })
}

/**
 * A file that is there already can only be one that an earlier space of that name left, sealed or still blank; anything else
 * is refused.
 */
const openNew = (file: string, seal: Seal): number => {
  const flags = fs.constants.O_CREAT | fs.constants.O_EXCL
  try {
    return openFile(file, flags)
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error
  }
  const fd = openFile(file, 0)
  const found = readSeal(fd)
  const blank = isBlank(fd)
  fs.closeSync(fd)
  if (found === undefined ? !blank : isOf(found, seal.space)) {
    throw new FileRefused({ path: file, differs: "space", wanted: "no file", found: "one that was not left over" })
  }
  fs.unlinkSync(file)
  return openFile(file, flags)
}

/** Its first word was never written: whoever made it did not come further. */
export const isBlank = (fd: number): boolean => {
  const start = new Int32Array(1)
  fs.readSync(fd, start, 0, 4, 0)
  return start[0] === 0
}

const isOf = (seal: Seal, [low, high]: Seal["space"]): boolean => seal.space[0] === low && seal.space[1] === high

const sealOf = ({ bytes, serial, space }: Seal): Int32Array =>
  Int32Array.of(SEAL_MAGIC, SEAL_VERSION, space[0], space[1], serial, bytes | 0, Math.floor(bytes / 2 ** 32))

/** The seal of an open file, if it has one. */
const readSeal = (fd: number): (Seal & { readonly version: number }) | undefined => {
  const { size } = fs.fstatSync(fd)
  const words = new Int32Array(SEAL_WORDS)
  if (size < SEAL_BYTES || fs.readSync(fd, words, 0, SEAL_WORDS * 4, size - SEAL_BYTES) !== SEAL_WORDS * 4) {
    return undefined
  }
  if (words[0] !== SEAL_MAGIC) return undefined
  const [, version = 0, low = 0, high = 0, serial = 0, bytes = 0, more = 0] = words
  return { version, space: [low, high], serial, bytes: more * 2 ** 32 + (bytes >>> 0) }
}

/** Opens a region's file that somebody else made, or says what differs. */
export const openRegion = (file: string, wanted: Seal): number => {
  const fd = openThere(file)
  try {
    checkRegion(file, fd, wanted)
    return fd
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

const openThere = (file: string): number => {
  try {
    return openFile(file, 0)
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error
    throw new FileRefused({ path: file, differs: "kind", wanted: "a file", found: "none" })
  }
}

const checkRegion = (file: string, fd: number, wanted: Seal): void => {
  const refuse = (differs: "size" | "magic" | "version" | "space" | "serial", want: string, found: string): never => {
    throw new FileRefused({ path: file, differs, wanted: want, found })
  }
  const { size } = fs.fstatSync(fd)
  const bytes = roundUpToPage(wanted.bytes) + SEAL_BYTES
  if (size !== bytes) refuse("size", `${bytes} bytes`, `${size} bytes`)
  const seal = readSeal(fd)
  if (seal === undefined) return refuse("magic", "the seal of a region", "none")
  if (seal.version !== SEAL_VERSION) refuse("version", String(SEAL_VERSION), String(seal.version))
  if (!isOf(seal, wanted.space)) refuse("space", "a region of this space", "one of another")
  if (seal.serial !== wanted.serial) refuse("serial", String(wanted.serial), String(seal.serial))
  if (seal.bytes !== wanted.bytes) refuse("size", `${wanted.bytes} bytes asked for`, `${seal.bytes}`)
}

/** Removes a region's file if it is that region's; harmless when repeated. */
export const removeRegion = (file: string, wanted: Seal): void => {
  try {
    fs.closeSync(openRegion(file, wanted))
    fs.unlinkSync(file)
  } catch (error) {
    // Another one's, or gone: invariant 1.
    if (!(error instanceof FileRefused)) throw error
  }
}

/**
 * Removes regions that an earlier space of that name has left: its owner had gone in order, and their makers were killed after that. Who still
 * has one of them mapped goes on having it.
 */
export const sweep = (spacePath: string, space: Seal["space"]): void => {
  const [directory, name] = [path.dirname(spacePath), path.basename(spacePath)]
  for (const entry of fs.readdirSync(directory)) {
    if (!entry.startsWith(`${name}.`) || !/^\d+$/.test(entry.slice(name.length + 1))) continue
    const file = path.join(directory, entry)
    const seal = sealAt(file)
    if (seal !== undefined && !isOf(seal, space)) fs.rmSync(file, { force: true })
  }
}

const sealAt = (file: string): Seal | undefined => {
  try {
    const fd = openFile(file, 0)
    const seal = readSeal(fd)
    fs.closeSync(fd)
    return seal
  } catch {
    // Gone meanwhile, or not ours: invariant 1.
    return undefined
  }
}
