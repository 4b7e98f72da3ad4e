/**
 * Who takes part in a space, read from its control file.
 *
 * @internal
 */
import * as Control from "./control.ts"
import * as Layout from "./layout.ts"
import type { SpaceCore } from "./space.ts"

export const participantsOf = ({ control, row: own }: SpaceCore) => {
  const { words } = control
  return Array.from({ length: control.participants }, (_, row) => row)
    .filter((row) => Control.stateOf(control, row) !== Layout.FREE)
    .map((row) => {
      const word = Layout.participantWord(row)
      const life = Control.lifeOf(control, row)
      return {
        life,
        pid: words[word + Layout.PID] ?? 0,
        startTicks: Layout.readWide(words, word + Layout.START),
        isAlive: row === own || (Control.stateOf(control, row) === Layout.LIVE && !Control.isDead(control, row)),
        isOwner: words[Layout.OWNER_LIFE_WORD] === life,
        isThisOne: row === own
      }
    })
}
