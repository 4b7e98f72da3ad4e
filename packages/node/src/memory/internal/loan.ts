/**
 * Regions in the hands of a thread of this process: a place among the participants for its life, and the proof of its end.
 *
 * A thread uses its process's pages, watcher and doorbell. What it needs of its own is a death: a row with a lock that an open file of its own
 * holds. Its process closes that file when the thread has ended, and the kernel closes it when the process dies. So a thread that ends is
 * recovered by everybody, as a process is (D6 of docs/mapped-memory.md).
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { NotThere } from "../MappingError.ts"
import { attempt, type SpaceError, underMutex } from "./attempts.ts"
import * as Control from "./control.ts"
import * as Files from "./files.ts"
import * as Layout from "./layout.ts"

export interface Loan {
  readonly control: Control.Control
  readonly row: number
  readonly life: number
  /** The thread's number in rings. */
  readonly owner: number
  /** It has ended. */
  readonly end: () => void
}

/** A place for one thread that is given these regions of one space. */
export const take = (control: Control.Control, regions: ReadonlyArray<number>): Effect.Effect<Loan, SpaceError> =>
  Effect.flatMap(
    attempt(() => open(control)),
    (fd) =>
      Effect.onError(
        underMutex(control, () => {
          const { life, row } = Control.join(control, fd)
          for (const region of regions) Layout.setOpened(control.words, row, region)
          const owner = Control.newOwner(control, row)
          return { control, row, life, owner, end: () => fs.closeSync(fd) }
        }),
        () => Effect.sync(() => fs.closeSync(fd))
      )
  )

const open = ({ fd: own, path }: Control.Control): number => {
  const missing = new NotThere({ path, wanted: "the space's own control file", waitedMillis: 0 })
  if (!Files.isStill(path, own)) throw missing
  const fd = Files.openFile(path, 0)
  if (Files.isStill(path, own)) return fd
  fs.closeSync(fd)
  throw missing
}
