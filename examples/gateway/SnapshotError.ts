/**
 * What can be wrong with the snapshot file, told in one line each.
 */
import * as Data from "effect/Data"

/** The file cannot be used as it is. Nothing in it was changed. */
export class SnapshotUnusable extends Data.TaggedError("SnapshotUnusable")<{
  readonly path: string
  readonly why: string
  /** Somebody has it open; that may pass. */
  readonly isLocked?: boolean
}> {
  override get message(): string {
    const told = `GATEWAY_DB ${this.path} cannot be used: ${this.why}. It was left as it is`
    return this.isLocked === true
      ? told
      : `${told}; with GATEWAY_WHEN_UNUSABLE=begin-anew a file is moved aside and the gateway starts empty`
  }
}

/** One snapshot was not written; the one before it is still there, whole. */
export class SnapshotFailed extends Data.TaggedError("SnapshotFailed")<{
  readonly path: string
  readonly why: string
}> {
  override get message(): string {
    return `the snapshot could not be written to ${this.path}: ${this.why}; the one before it is still there`
  }
}

/** SQLITE_BUSY and SQLITE_LOCKED. */
const LOCKED: ReadonlyArray<number> = [5, 6]

const meanings: Readonly<Record<number, string>> = {
  3: "access to it is denied",
  5: "it is locked by another process",
  6: "it is locked by another process",
  8: "it cannot be written to",
  10: "the disk reports an error",
  11: "it is corrupt",
  13: "the disk is full",
  14: "it cannot be opened or created, for instance because its folder is missing, closed to us, or it is a folder itself",
  26: "it is not an SQLite database"
}

const codeOf = (error: unknown): number =>
  typeof error === "object" && error !== null && "errcode" in error ? Number(error.errcode) & 0xff : 0

export const isLocked = (error: unknown): boolean => LOCKED.includes(codeOf(error))

/** An error of `node:sqlite` for people: our words for its primary code, then its own. */
export const describe = (error: unknown): string => {
  const own = error instanceof Error ? error.message : String(error)
  const meaning = meanings[codeOf(error)]
  return meaning === undefined ? own : `${meaning} (${own})`
}
