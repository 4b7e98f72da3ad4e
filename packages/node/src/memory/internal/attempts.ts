/**
 * Errors of a space as typed failures, and changes of its tables under its mutex.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import {
  FileRefused,
  InvalidSpace,
  MappingFailed,
  NotThere,
  RegionTaken,
  SpaceBusy,
  SpaceFull,
  SpaceTaken
} from "../MappingError.ts"
import * as Control from "./control.ts"
import { NativeError } from "./pages.ts"

/** Whatever may be wrong with a space that is there. */
export type SpaceError =
  | FileRefused
  | InvalidSpace
  | MappingFailed
  | NotThere
  | RegionTaken
  | SpaceBusy
  | SpaceFull
  | SpaceTaken

const errors = [FileRefused, InvalidSpace, MappingFailed, NotThere, RegionTaken, SpaceBusy, SpaceFull, SpaceTaken]

/** An error of a system call that Node made, such as `EMFILE` of `open`. */
const isOfSystem = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "syscall" in error && "code" in error

/** Runs what throws those errors, `NativeError`, or errors of system calls; anything else it throws is a defect. */
export const attempt = <A>(run: () => A): Effect.Effect<A, SpaceError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(run())
    } catch (error) {
      if (error instanceof NativeError) return Effect.fail(new MappingFailed({ wanted: error.call, found: error.code }))
      if (isOfSystem(error)) {
        const wanted = [error.syscall, error.path].filter((word) => word !== undefined).join(" ")
        return Effect.fail(new MappingFailed({ wanted, found: String(error.code) }))
      }
      return errors.some((known) => error instanceof known) ? Effect.fail(error as SpaceError) : Effect.die(error)
    }
  })

/** Nobody holds the mutex for longer than a few system calls, unless its process is stopped. */
const MUTEX_MILLIS = 2000

/** Milliseconds since `start`. */
export const since = (clock: Clock.Clock, start: bigint): number =>
  Math.round(Number(clock.monotonicTimeNanosUnsafe() - start) / 1e6)

/** Changes the tables; waits while another process does. */
export const underMutex = <A>(control: Control.Control, change: () => A): Effect.Effect<A, SpaceError> =>
  Clock.clockWith((clock) => {
    const start = clock.monotonicTimeNanosUnsafe()
    const go: Effect.Effect<A, SpaceError> = Effect.flatMap(
      attempt(() => Control.withMutex(control, () => ({ done: change() }))),
      (answer): Effect.Effect<A, SpaceError> => {
        if (answer !== "Busy") return Effect.succeed(answer.done)
        const waitedMillis = since(clock, start)
        return waitedMillis >= MUTEX_MILLIS
          ? Effect.fail(new SpaceBusy({ path: control.path, waitedMillis }))
          : Effect.flatMap(Effect.sleep(1), () => go)
      }
    )
    return go
  })
