/**
 * A participant's ringer: the thread that wakes the watchers of others for the threads of this process that make no native calls, seen
 * from the thread that started it.
 *
 * @internal
 */
import type { Control } from "./control.ts"
import * as Errands from "./errands.ts"
import * as NativeThread from "./nativeThread.ts"

/** What the thread is started with. */
export interface RingerData {
  readonly control: SharedArrayBuffer
  readonly address: number
  readonly errands: SharedArrayBuffer
}

export interface Ringer {
  /** Where it is asked. Nobody has to wait until it runs: errands do, and watchers look by themselves every 100 ms. */
  readonly errands: SharedArrayBuffer
  /** Resolves when the thread has ended. */
  readonly stop: () => Promise<void>
}

/** Starts it. `died`: the thread could not be started, or ended by itself; another one takes its place. */
export const start = ({ address, memory }: Control, died: (error: unknown) => void): Ringer => {
  const errands = new SharedArrayBuffer(Errands.BYTES)
  const workerData: RingerData = { control: memory, address, errands }
  const { stop } = NativeThread.start({
    entry: "ringerThread",
    name: "selvedge-ringer",
    begin: () => ({ workerData }),
    heard: () => undefined,
    died,
    isTriedAgain: true,
    leave: () => Errands.end(new Int32Array(errands))
  })
  return { errands, stop }
}
