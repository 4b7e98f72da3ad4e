/**
 * What the supervisor of a worker does when the worker has ended: it has the death noted and waits for the recoveries, so that the next life
 * finds everything in order.
 *
 * A region that somebody recovers is left to them. One that nobody recovers holds nothing that could be: it is the container's `recover`
 * that deals with it, and the dead worker gives its place back.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { underMutex } from "./attempts.ts"
import * as Control from "./control.ts"
import * as Layout from "./layout.ts"
import * as Whereabouts from "./whereabouts.ts"

/** Recoveries that take longer go on without anybody waiting. */
const PATIENCE_TURNS = 200
const TURN_MILLIS = 5

/** Waits until no such participant is left in the space of that memory, but not for long. */
export const settle = (
  memory: SharedArrayBuffer,
  isIt: (control: Control.Control, row: number) => boolean,
  turns = PATIENCE_TURNS
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const found = Whereabouts.of(memory)
    if (found === undefined || turns === 0) return Effect.void
    const { control, lookSoon, row: own } = found
    const left = Array.from({ length: control.participants }, (_, row) => row).filter(
      (row) => row !== own && Control.stateOf(control, row) !== Layout.FREE && isIt(control, row)
    )
    if (left.length === 0) return Effect.void
    lookSoon()
    return Effect.ignore(underMutex(control, () => left.forEach((row) => forgetUnrecovered(control, row)))).pipe(
      Effect.andThen(Effect.sleep(TURN_MILLIS)),
      Effect.andThen(settle(memory, isIt, turns - 1))
    )
  })

const forgetUnrecovered = (control: Control.Control, row: number): void => {
  if (Control.stateOf(control, row) !== Layout.DEAD) return
  for (let region = 0; region < Layout.REGIONS; region++) {
    if (!Layout.hasOpened(control.words, row, region) || Control.isRecovered(control, row, region)) continue
    Layout.clearOpened(control.words, row, region)
  }
  Control.rest(control, row)
}
