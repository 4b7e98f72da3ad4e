/**
 * A space's control file as one participant has it: opened, checked, mapped; and what is done to its tables.
 *
 * | found by who wants to own                   | `adopt`        | `replace`            |
 * | ------------------------------------------- | -------------- | -------------------- |
 * | nothing, or a file nobody finished          | made           | made                 |
 * | a living owner                              | refused        | refused              |
 * | a dead owner                                | taken over     | removed, made anew; refused while participants live |
 * | a file of an earlier boot of this machine   | refused        | removed, made anew   |
 * | anything else: not ours, another version, … | refused        | refused              |
 *
 * **Invariants** (numbers of docs/mapped-memory.md)
 *
 * - S1. Tables change under the mutex only, which the kernel gives back when its holder dies. A row's state is stored last, so half
 *   a change is none.
 * - S2. A participant holds the lock of its row from before the row says LIVE until after it says FREE. So a row that says LIVE and
 *   whose lock is free belongs to the dead.
 *
 * @internal
 */
import { randomInt } from "node:crypto"
import * as fs from "node:fs"
import { FileRefused, NotThere, SpaceFull, SpaceTaken } from "../MappingError.ts"
import * as Files from "./files.ts"
import * as Found from "./found.ts"
import * as Layout from "./layout.ts"
import type { Door } from "./native.ts"
import { pages } from "./pages.ts"

export interface Control {
  readonly door: Door
  readonly path: string
  readonly fd: number
  readonly memory: SharedArrayBuffer
  readonly words: Int32Array
  readonly address: number
  /** Rows there are, the spare one too. */
  readonly participants: number
  readonly isOwner: boolean
  /** Its descriptor may belong to another file by now. */
  isReleased: boolean
}

export type Leftovers = "adopt" | "replace"

/** Owners of rings are numbers; those of a life begin here, far above what a ring counts by itself. */
const FIRST_OWNER = 2 ** 30
/** Threads of one life that have a number of their own. */
export const OWNERS_OF_LIFE = 64
const MOST_LIVES = (2 ** 31 - FIRST_OWNER) / OWNERS_OF_LIFE - 1

export const firstOwnerOf = (life: number): number => FIRST_OWNER + life * OWNERS_OF_LIFE

// -----------------------------------------------------------------------------
// Opening
// -----------------------------------------------------------------------------

/** Of a space whose maker does not say. */
const DEFAULT_PARTICIPANTS = 16

/** Makes the space, or takes over what a dead owner left, as it is or as it is declared. Throws what it refuses. */
export const own = (door: Door, file: string, participants: number | undefined, leftovers: Leftovers): Control => {
  for (;;) {
    const fd = Files.openFile(file, fs.constants.O_CREAT)
    try {
      if (!door.locks.take(fd, Layout.OWNER_BYTE)) throw new SpaceTaken({ path: file, pid: ownerOf(fd) })
      // The last owner may have removed it between the opening and the lock.
      if (!Files.isStill(file, fd)) {
        fs.closeSync(fd)
        continue
      }
      if (prepared(door, file, fd, { participants, leftovers }) === "replaced") {
        fs.closeSync(fd)
        continue
      }
      if (Files.isBlank(fd)) format(door, file, fd, participants ?? DEFAULT_PARTICIPANTS)
      return mapped(door, file, fd, true)
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
  }
}

/** Looks at what is there; removes it if it may. */
const prepared = (
  door: Door,
  file: string,
  fd: number,
  { leftovers, participants }: { readonly participants: number | undefined; readonly leftovers: Leftovers }
): "kept" | "replaced" => {
  if (Files.isBlank(fd) && fs.fstatSync(fd).size <= Layout.BYTES) return "kept"
  const words = read(fd)
  Found.checkHeader(file, fd, words)
  const boot = Found.isOfThisBoot(words)
  if (leftovers === "adopt") {
    if (!boot) throw Found.staleBoot(file)
    const found = words[Layout.PARTICIPANTS_WORD] ?? 0
    if (participants !== undefined && participants !== found) throw Found.otherwiseDeclared(file, participants, found)
    return "kept"
  }
  const living = boot ? livingIn(door, fd, words) : []
  if (living.length > 0) {
    const found = `process ${living.join(", ")} still attached`
    throw new FileRefused({ path: file, differs: "owner", wanted: "nobody attached", found })
  }
  for (const seal of sealsIn(words)) Files.removeRegion(Files.regionPath(file, seal.serial), seal)
  fs.unlinkSync(file)
  return "replaced"
}

/** Process numbers of the rows whose lock is held. */
const livingIn = (door: Door, fd: number, words: Int32Array): ReadonlyArray<number> => {
  const living: Array<number> = []
  for (let i = 0; i < rowsIn(words); i++) {
    if (door.locks.isTaken(fd, Layout.lockByteOf(i))) {
      living.push(words[Layout.participantWord(i) + Layout.PID] ?? 0)
    }
  }
  return living
}

const rowsIn = (words: Int32Array): number => (words[Layout.PARTICIPANTS_WORD] ?? 0) + Layout.SPARE_ROWS

const sealsIn = (words: Int32Array): ReadonlyArray<Files.Seal> =>
  Array.from({ length: Layout.REGIONS }, (_, region) => Layout.regionWord(region))
    .filter((row) => words[row] === Layout.OPEN || words[row] === Layout.MAKING)
    .map((row) => sealIn(words, row))

const sealIn = (words: Int32Array, row: number): Files.Seal => ({
  space: [words[Layout.SPACE_ID_WORD] ?? 0, words[Layout.SPACE_ID_WORD + 1] ?? 0],
  serial: words[row + Layout.SERIAL] ?? 0,
  bytes: Layout.readWide(words, row + Layout.REGION_BYTES)
})

/** The seal of a region that is open, or being made. */
export const sealOf = ({ words }: Control, region: number): Files.Seal => sealIn(words, Layout.regionWord(region))

const read = (fd: number): Int32Array => {
  const words = new Int32Array(Layout.BYTES / 4)
  fs.readSync(fd, words, 0, Layout.BYTES, 0)
  return words
}

const ownerOf = (fd: number): number => {
  const words = read(fd)
  if (words[Layout.MAGIC_WORD] !== Layout.MAGIC) return 0
  const life = words[Layout.OWNER_LIFE_WORD] ?? 0
  for (let i = 0; i < Layout.MOST_PARTICIPANTS + Layout.SPARE_ROWS; i++) {
    const row = Layout.participantWord(i)
    if (words[row] !== Layout.FREE && words[row + Layout.LIFE] === life) return words[row + Layout.PID] ?? 0
  }
  return 0
}

/** Attaches to a living owner's space; says why not yet. Throws what it refuses. */
export const attach = (door: Door, file: string): Control | string => {
  let fd: number
  try {
    fd = Files.openFile(file, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "no file"
    throw error
  }
  try {
    const notYet = !door.locks.isTaken(fd, Layout.OWNER_BYTE)
      ? "no living owner"
      : Files.isBlank(fd)
        ? "a file that is being made"
        : undefined
    if (notYet === undefined) {
      const words = read(fd)
      Found.checkHeader(file, fd, words)
      if (!Found.isOfThisBoot(words)) throw Found.staleBoot(file)
      return mapped(door, file, fd, false)
    }
    fs.closeSync(fd)
    return notYet
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

/** Writes an empty space; its magic goes last, so one that was not finished is blank at its beginning. */
const format = (door: Door, file: string, fd: number, participants: number): void => {
  try {
    door.reserve(fd, Layout.BYTES)
  } catch (error) {
    fs.unlinkSync(file)
    throw Files.refusedBy(file, error)
  }
  const words = new Int32Array(Layout.BYTES / 4)
  words[Layout.VERSION_WORD] = Layout.VERSION
  words[Layout.BYTES_WORD] = Layout.BYTES
  words[Layout.PARTICIPANTS_WORD] = participants
  words[Layout.REGIONS_WORD] = Layout.REGIONS
  words[Layout.SPACE_ID_WORD] = randomInt(2 ** 32) | 0
  words[Layout.SPACE_ID_WORD + 1] = randomInt(2 ** 32) | 0
  const [low, high] = Found.bootWords()
  words[Layout.BOOT_ID_WORD] = low
  words[Layout.BOOT_ID_WORD + 1] = high
  words[Layout.NEXT_LIFE_WORD] = 1
  words[Layout.NEXT_SERIAL_WORD] = 1
  fs.writeSync(fd, words, 0, Layout.BYTES, 0)
  // In a second write: whoever sees the magic sees the rest, and a file whose maker died before is blank at its beginning.
  fs.writeSync(fd, Int32Array.of(Layout.MAGIC), 0, 4, 0)
  Files.sweep(file, sealIn(words, 0).space)
}

const mapped = (door: Door, path: string, fd: number, isOwner: boolean): Control => {
  const memory = pages(Layout.BYTES)
  const address = door.addressOf(memory)
  door.mapOver(address, Layout.BYTES, fd)
  const words = new Int32Array(memory)
  return { door, path, fd, memory, words, address, participants: rowsIn(words), isOwner, isReleased: false }
}

// -----------------------------------------------------------------------------
// Tables
// -----------------------------------------------------------------------------

/** Runs a change of the tables, at once, under the mutex; `Busy` if another process has it (S1). */
export const withMutex = <A>({ door, fd, isReleased, path }: Control, change: () => A): A | "Busy" => {
  if (isReleased) throw new NotThere({ path, wanted: "a space that is open here", waitedMillis: 0 })
  if (!door.locks.take(fd, Layout.MUTEX_BYTE)) return "Busy"
  try {
    return change()
  } finally {
    door.locks.give(fd, Layout.MUTEX_BYTE)
  }
}

/** Field 22 of `/proc/self/stat`: when this process was started, in ticks since the boot. */
const startOfThisProcess = (): number => {
  const text = fs.readFileSync("/proc/self/stat", "utf8")
  // The second field is a name in parentheses that may hold anything.
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[19])
}

/** Takes a row for a new life, whose lock an open file will have; it has none yet. Under the mutex. */
export const join = (control: Control, fd = control.fd): { readonly row: number; readonly life: number } => {
  const { words } = control
  const life = words[Layout.NEXT_LIFE_WORD] ?? 0
  if (life > MOST_LIVES) throw full(control, "lives", MOST_LIVES)
  const isOwner = control.isOwner && fd === control.fd
  let row = freeRow(control, fd, isOwner)
  if (row < 0) {
    // Nobody may be left to notice that they died.
    for (const dead of rowsOf(control)) if (isDead(control, dead, fd)) bury(control, dead)
    row = freeRow(control, fd, isOwner)
  }
  if (row < 0) throw full(control, "participants", control.participants - Layout.SPARE_ROWS)
  const word = Layout.participantWord(row)
  words[Layout.NEXT_LIFE_WORD] = life + 1
  words[word + Layout.LIFE] = life
  words[word + Layout.PID] = process.pid
  Layout.writeWide(words, word + Layout.START, startOfThisProcess())
  words[word + Layout.OWNERS] = 0
  words[word + Layout.OPENED] = 0
  words[word + Layout.OPENED + 1] = 0
  words[word + Layout.RECOVERS] = 0
  words[word + Layout.RECOVERS + 1] = 0
  words[word + Layout.ASLEEP] = 0
  if (isOwner) words[Layout.OWNER_LIFE_WORD] = life
  // S2. Seen by ringers and by whoever looks for deaths.
  Atomics.store(words, word, Layout.LIVE)
  return { row, life }
}

export const rowsOf = ({ participants }: Control): ReadonlyArray<number> =>
  Array.from({ length: participants }, (_, row) => row)

/** A free row, whose lock is taken now; -1 if there is none. D9: the last one is for owners, and is one of the number for the others. */
const freeRow = (control: Control, fd: number, isOwner: boolean): number => {
  const spare = control.participants - Layout.SPARE_ROWS
  const taken = rowsOf(control).filter((row) => stateOf(control, row) !== Layout.FREE)
  if (!isOwner && taken.length >= spare) return -1
  return (
    rowsOf(control).find(
      (row) => !taken.includes(row) && (isOwner || row < spare) && control.door.locks.take(fd, Layout.lockByteOf(row))
    ) ?? -1
  )
}

export const full = (control: Control, what: SpaceFull["what"], limit: number): SpaceFull => {
  const dead = rowsOf(control).filter((row) => stateOf(control, row) === Layout.DEAD).length
  return new SpaceFull({ path: control.path, what, limit, dead: what === "participants" ? dead : 0 })
}

/**
 * Gives a row back. Under the mutex. The lock goes with the descriptor.
 *
 * D7: in regions that it was handed for its life it may leave something behind, on purpose too (a seat that is kept for the next life). If
 * somebody recovers such a region, the row stays for it, as those of the dead do.
 */
export const leave = (control: Control, row: number, handed: ReadonlySet<number>): void => {
  const { words } = control
  for (let region = 0; region < Layout.REGIONS; region++) {
    const stays = handed.has(region) && isRecovered(control, row, region)
    if (!stays && Layout.hasOpened(words, row, region)) Layout.clearOpened(words, row, region)
  }
  // Seen by ringers, by whoever wants a row, and by whoever recovers.
  Atomics.store(words, Layout.participantWord(row), Layout.hasNothingOpen(words, row) ? Layout.FREE : Layout.DEAD)
}

/**
 * Whether another participant recovers an open region from deaths. A dead one counts until it is recovered itself: whoever comes in its
 * place will do what it did.
 */
export const isRecovered = (control: Control, row: number, region: number): boolean => {
  const { participants, words } = control
  if (words[Layout.regionWord(region)] !== Layout.OPEN) return false
  for (let other = 0; other < participants; other++) {
    if (other === row || stateOf(control, other) === Layout.FREE) continue
    if (Layout.recovers(words, other, region)) return true
  }
  return false
}

export const stateOf = ({ words }: Control, row: number): number => Atomics.load(words, Layout.participantWord(row))

export const lifeOf = ({ words }: Control, row: number): number =>
  Atomics.load(words, Layout.participantWord(row) + Layout.LIFE)

/** A number for one more thread of a life. Under the mutex. */
export const newOwner = (control: Control, row: number): number => {
  const word = Layout.participantWord(row) + Layout.OWNERS
  const given = control.words[word] ?? 0
  if (given >= OWNERS_OF_LIFE) throw full(control, "owners", OWNERS_OF_LIFE)
  control.words[word] = given + 1
  return firstOwnerOf(lifeOf(control, row)) + given
}

/** All numbers that a life was given. */
export const ownersOf = ({ words }: Control, row: number): ReadonlyArray<number> => {
  const word = Layout.participantWord(row)
  const first = firstOwnerOf(words[word + Layout.LIFE] ?? 0)
  const length = Math.min(words[word + Layout.OWNERS] ?? 0, OWNERS_OF_LIFE)
  return Array.from({ length }, (_, i) => first + i)
}

/**
 * Whether the lock of a row that says LIVE is free: its participant is dead (S2). Not to be asked about one's own row, whose lock
 * looks free to the open file that has it.
 */
export const isDead = (control: Control, row: number, fd = control.fd): boolean =>
  stateOf(control, row) === Layout.LIVE && !control.door.locks.isTaken(fd, Layout.lockByteOf(row))

/** Takes note of a death; what it left half made is removed. Under the mutex. */
export const bury = (control: Control, row: number): void => {
  const { path, words } = control
  const life = lifeOf(control, row)
  for (let region = 0; region < Layout.REGIONS; region++) {
    const word = Layout.regionWord(region)
    // It was removed while this one lived, and nobody will recover it.
    if (words[word] === Layout.REMOVED) Layout.clearOpened(words, row, region)
    if (words[word] !== Layout.MAKING || words[word + Layout.MAKER] !== life) continue
    fs.rmSync(Files.regionPath(path, words[word + Layout.SERIAL] ?? 0), { force: true })
    Layout.clearOpened(words, row, region)
    Atomics.store(words, word, Layout.REMOVED)
  }
  // Seen by every participant's watcher.
  Atomics.store(words, Layout.participantWord(row), Layout.DEAD)
  rest(control, row)
}

/** A dead participant's row is free when it has been recovered from every region. Under the mutex. */
export const rest = ({ words }: Control, row: number): void => {
  const word = Layout.participantWord(row)
  if (Atomics.load(words, word) === Layout.DEAD && Layout.hasNothingOpen(words, row)) {
    Atomics.store(words, word, Layout.FREE)
  }
}
