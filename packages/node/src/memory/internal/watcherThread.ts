/**
 * The thread that sleeps for a participant: on its doorbell, in the kernel, for at most 100 ms at a time.
 *
 * ```text
 *  ┌─▶ seen = doorbell; say "asleep"; sleep while doorbell = seen, at most 100 ms; say "awake"
 *  │   orders                  from the thread that started it
 *  │   bells                   each listed bell that has moved: wake its sleepers in this process
 *  └── deaths                  once in 100 ms: rows that say LIVE and whose lock is free, and the dead to be recovered
 * ```
 *
 * A ring that was not told, because its ringer died before it moved the doorbell or belongs to a thread that knows nothing of other
 * processes, is found by the next turn: W3 of docs/mapped-memory.md.
 *
 * @internal
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import * as Doorbell from "./doorbell.ts"
import * as Layout from "./layout.ts"
import { type Door, open } from "./native.ts"
import type { WatcherData, WatcherOrder } from "./watcher.ts"

/** The longest sleep. */
const SLICE_MILLIS = 100

/** A region as its watcher sees it. */
interface Watched {
  readonly words: Int32Array
  /** Where each listed bell stood at the last look, by its place on the list. */
  readonly seen: Array<number | undefined>
}

class WatcherThread {
  private readonly data: WatcherData
  private readonly words: Int32Array
  private readonly door: Door
  private readonly own: number
  private readonly regions = new Map<number, Watched>()
  private readonly recovers = new Set<number>()
  private lookedAt = 0

  constructor(data: WatcherData, door: Door) {
    this.data = data
    this.words = new Int32Array(data.control)
    this.door = door
    this.own = Layout.participantWord(data.row)
  }

  run(): void {
    const { door, own, words } = this
    const [doorbell, asleep] = [own + Layout.DOORBELL, own + Layout.ASLEEP]
    const sleepOn = (word: number, value: number): void =>
      door.sleepOn(this.data.address + word * 4, value, SLICE_MILLIS)
    for (;;) {
      const seen = Doorbell.prepare(words, doorbell)
      if (!this.obey()) return
      for (const [region, watched] of this.regions) this.wake(region, watched)
      this.lookForDeaths()
      Doorbell.sleep(words, doorbell, asleep, seen, sleepOn)
    }
  }

  /** `false`: it is to stop. */
  private obey(): boolean {
    for (;;) {
      const received = receiveMessageOnPort(this.data.port)
      if (received === undefined) return true
      const order = received.message as WatcherOrder
      switch (order._tag) {
        case "Watch":
          this.regions.set(order.region, { words: new Int32Array(order.memory), seen: [] })
          break
        case "Forget":
          this.regions.delete(order.region)
          this.recovers.delete(order.region)
          break
        case "Recovers":
          if (order.recovers) this.recovers.add(order.region)
          else this.recovers.delete(order.region)
          break
        case "Stop":
          return false
      }
    }
  }

  /** A bell that was not looked at before counts as moved. */
  private wake(region: number, { seen, words }: Watched): void {
    const first = Layout.regionWord(region) + Layout.FIRST_BELL
    for (let i = 0; i < Layout.BELLS; i++) {
      const bellWord = Atomics.load(this.words, first + i) - 1
      if (bellWord < 0) return
      // No bell of this region: a list that was written to by somebody else.
      if (bellWord >= words.length) continue
      const now = Atomics.load(words, bellWord)
      if (now === seen[i]) continue
      seen[i] = now
      Atomics.notify(words, bellWord)
    }
  }

  private lookForDeaths(): void {
    const now = performance.now()
    if (now - this.lookedAt < SLICE_MILLIS) return
    this.lookedAt = now
    for (let row = 0; row < this.data.participants; row++) {
      if (row === this.data.row || !this.isMatter(row)) continue
      parentPort?.postMessage("look")
      return
    }
  }

  private isMatter(row: number): boolean {
    switch (Atomics.load(this.words, Layout.participantWord(row))) {
      case Layout.LIVE:
        return !this.door.locks.isTaken(this.data.fd, Layout.lockByteOf(row))
      case Layout.DEAD:
        for (const region of this.recovers) if (Layout.hasOpened(this.words, row, region)) return true
        return false
      default:
        return false
    }
  }
}

const door = await open()
if ("reason" in door) throw new Error(`the watcher found no door: ${door.found}`)
parentPort?.postMessage("awake")
new WatcherThread(workerData as WatcherData, door).run()
