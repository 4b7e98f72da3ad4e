/**
 * What is found in a control file that is there already, and why it is refused.
 *
 * @internal
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { FileRefused } from "../MappingError.ts"
import * as Layout from "./layout.ts"

/** Throws what differs. */
export const checkHeader = (file: string, fd: number, words: Int32Array): void => {
  const refuse = (differs: "magic" | "version" | "size" | "shape", wanted: string, found: string): never => {
    throw new FileRefused({ path: file, differs, wanted, found })
  }
  const magic = words[Layout.MAGIC_WORD] ?? 0
  if (magic !== Layout.MAGIC) refuse("magic", `0x${Layout.MAGIC.toString(16)}`, `0x${(magic >>> 0).toString(16)}`)
  const version = words[Layout.VERSION_WORD]
  if (version !== Layout.VERSION) refuse("version", String(Layout.VERSION), String(version))
  const { size } = fs.fstatSync(fd)
  if (size !== Layout.BYTES) refuse("size", `${Layout.BYTES} bytes`, `${size} bytes`)
  const [bytes, participants = 0, regions] = words.subarray(Layout.BYTES_WORD)
  const isShaped = bytes === Layout.BYTES && isParticipants(participants) && regions === Layout.REGIONS
  if (!isShaped)
    refuse("shape", "a shape that can be", `${bytes} bytes, ${participants} participants, ${regions} regions`)
}

export const isParticipants = (n: unknown): n is number =>
  Number.isInteger(n) && (n as number) >= 1 && (n as number) <= Layout.MOST_PARTICIPANTS

/** Two words that are others after every start of the machine. */
export const bootWords = (): readonly [number, number] => {
  const digest = createHash("sha256").update(fs.readFileSync("/proc/sys/kernel/random/boot_id")).digest()
  return [digest.readInt32LE(0), digest.readInt32LE(4)]
}

export const isOfThisBoot = (words: Int32Array): boolean => {
  const [low, high] = bootWords()
  return words[Layout.BOOT_ID_WORD] === low && words[Layout.BOOT_ID_WORD + 1] === high
}

export const staleBoot = (path: string): FileRefused =>
  new FileRefused({ path, differs: "boot", wanted: "a space of this boot", found: "one of an earlier boot" })

/** The rows of a space are counted once, by its maker. */
export const otherwiseDeclared = (path: string, participants: number, found: number): FileRefused =>
  new FileRefused({
    path,
    differs: "number of participants",
    wanted: `a space with room for ${participants}, as declared`,
    found: `one for ${found}, to be adopted with as many or replaced`
  })
