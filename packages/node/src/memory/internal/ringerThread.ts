/**
 * The thread that wakes the watchers of other processes for those threads of its own that make no native calls.
 *
 * @internal
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Doorbell from "./doorbell.ts"
import * as Errands from "./errands.ts"
import { open } from "./native.ts"
import type { RingerData } from "./ringer.ts"

const door = await open()
if ("reason" in door) throw new Error(`the ringer found no door: ${door.found}`)
parentPort?.postMessage("awake")
const { address, errands } = workerData as RingerData
const words = new Int32Array(errands)
const wake = Doorbell.wakerOf(door, address)
while (Errands.turn(words, wake)) continue
