/**
 * The rows of regions in a control file: taken, finished, removed. All of it under the mutex, but for `finish`.
 *
 * **Invariants** (numbers of docs/mapped-memory.md)
 *
 * - S3. A region's row is used again only when nobody has it open and nobody dead is to be recovered from it.
 *
 * @internal
 */
import * as fs from "node:fs"
import { bury, type Control, full, isDead, lifeOf, rest, rowsOf, sealOf, stateOf } from "./control.ts"
import * as Files from "./files.ts"
import * as Layout from "./layout.ts"

/** The row of an open region of that name. */
export const find = (
  { words }: Control,
  name: string
): { readonly region: number; readonly state: number } | undefined => {
  for (let region = 0; region < Layout.REGIONS; region++) {
    const word = Layout.regionWord(region)
    const state = Atomics.load(words, word)
    if ((state === Layout.OPEN || state === Layout.MAKING) && Layout.readName(words, word) === name) {
      return { region, state }
    }
  }
  return undefined
}

/**
 * Whether the name is taken. A region whose maker ended while it made it takes no name, whether or not anybody has noted that death.
 * Under the mutex.
 */
export const isTaken = (control: Control, own: number, name: string): boolean => {
  const found = find(control, name)
  if (found?.state !== Layout.MAKING) return found !== undefined
  const maker = control.words[Layout.regionWord(found.region) + Layout.MAKER]
  const row = rowsOf(control).find((one) => stateOf(control, one) === Layout.LIVE && lifeOf(control, one) === maker)
  if (row !== undefined && (row === own || !isDead(control, row))) return true
  if (row === undefined) removeRegion(control, found.region)
  else bury(control, row)
  return false
}

/** Takes a row for a region that is to be made. Under the mutex. */
export const beginRegion = (control: Control, row: number, bytes: number, name: string | undefined): number => {
  const { words } = control
  removeForsaken(control)
  for (let region = 0; region < Layout.REGIONS; region++) {
    const word = Layout.regionWord(region)
    const state = words[word]
    // S3.
    if (state !== Layout.FREE && !(state === Layout.REMOVED && isForgotten(control, region))) continue
    const serial = words[Layout.NEXT_SERIAL_WORD] ?? 0
    words[Layout.NEXT_SERIAL_WORD] = serial + 1
    words[word + Layout.SERIAL] = serial
    Layout.writeWide(words, word + Layout.REGION_BYTES, bytes)
    words[word + Layout.MAKER] = lifeOf(control, row)
    Layout.writeName(words, word, name ?? String(serial))
    words[word + Layout.NAMELESS] = name === undefined ? 1 : 0
    words.fill(0, word + Layout.FIRST_BELL, word + Layout.FIRST_BELL + Layout.BELLS)
    // Before the opened bit: the row of a maker that dies between the two is MAKING, and its bit is never set.
    Atomics.store(words, word, Layout.MAKING)
    Layout.setOpened(words, row, region)
    return region
  }
  throw full(control, "regions", Layout.REGIONS)
}

const isForgotten = ({ participants, words }: Control, region: number): boolean => {
  for (let row = 0; row < participants; row++) if (Layout.hasOpened(words, row, region)) return false
  return true
}

/** A region is whole. Seen by whoever opens it. */
export const finishRegion = ({ words }: Control, region: number): void => {
  Atomics.store(words, Layout.regionWord(region), Layout.OPEN)
}

/** Removes a region and its file; whoever has it open goes on having it. Under the mutex. */
export const removeRegion = (control: Control, region: number): void => {
  const { path, words } = control
  const seal = sealOf(control, region)
  Files.removeRegion(Files.regionPath(path, seal.serial), seal)
  Atomics.store(words, Layout.regionWord(region), Layout.REMOVED)
  // The dead need not be recovered from what nobody can open any more.
  for (let row = 0; row < control.participants; row++) {
    if (stateOf(control, row) !== Layout.DEAD) continue
    Layout.clearOpened(words, row, region)
    rest(control, row)
  }
}

/** Notes these deaths, once their locks were found free once more (D1). Under the mutex. */
export const buryAll = (control: Control, rows: ReadonlyArray<number>): void => {
  for (const row of rows) if (isDead(control, row)) bury(control, row)
  removeForsaken(control)
}

/** D10. Under the mutex. */
export const removeForsaken = (control: Control): void => {
  const { words } = control
  for (let region = 0; region < Layout.REGIONS; region++) {
    const word = Layout.regionWord(region)
    if (words[word] !== Layout.OPEN || words[word + Layout.NAMELESS] !== 1) continue
    const isOpen = rowsOf(control).some(
      (row) => stateOf(control, row) === Layout.LIVE && Layout.hasOpened(words, row, region)
    )
    if (!isOpen) removeRegion(control, region)
  }
}

/** Removes the space if nobody lives in it and there is no region. Its own row, that has not begun, does not count. Under the mutex. */
export const removeIfEmpty = (control: Control): void => {
  const { path, words } = control
  for (let region = 0; region < Layout.REGIONS; region++) {
    const state = words[Layout.regionWord(region)]
    if (state === Layout.OPEN || state === Layout.MAKING) return
  }
  for (let row = 0; row < control.participants; row++) {
    if (stateOf(control, row) === Layout.LIVE && !isDead(control, row)) return
  }
  if (Files.isStill(path, control.fd)) fs.unlinkSync(path)
}

/** The owner leaves: regions of the living stay with their makers, everything else is removed. Under the mutex. */
export const removeSpace = (control: Control): void => {
  const { path, words } = control
  const living = new Set<number>()
  for (let row = 0; row < control.participants; row++) {
    if (stateOf(control, row) === Layout.LIVE && !isDead(control, row)) living.add(lifeOf(control, row))
  }
  for (let region = 0; region < Layout.REGIONS; region++) {
    const word = Layout.regionWord(region)
    const state = words[word]
    if (state !== Layout.OPEN && state !== Layout.MAKING) continue
    if (!living.has(words[word + Layout.MAKER] ?? 0)) removeRegion(control, region)
  }
  if (Files.isStill(path, control.fd)) fs.unlinkSync(path)
}
