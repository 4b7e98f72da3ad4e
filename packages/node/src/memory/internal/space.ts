/**
 * A space as one participant has it: its regions, its watcher, and what it does about the deaths of others.
 *
 * | phase   | regions can be had | entered by                                   |
 * | ------- | ------------------ | -------------------------------------------- |
 * | Open    | yes                | the row says LIVE and the watcher runs       |
 * | Closed  | no                 | the scope of the layer                       |
 *
 * **Invariants** (numbers of docs/mapped-memory.md)
 *
 * - S4. A region is mapped once in a participant, however often it is opened: V8 finds sleepers by address.
 * - D3. A region's mark is taken away only if the row still belongs to that life.
 * - D4. Recoveries run side by side: one may wait for a lock that another dead process holds.
 *
 * @internal
 */
import { AllocationFailed } from "@selvedge/core/memory/SharedMemory"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { NotARegion, NotThere, RegionTaken } from "../MappingError.ts"
import { PulseTable } from "../PulseTable.ts"
import { attempt, since, type SpaceError, underMutex } from "./attempts.ts"
import * as Control from "./control.ts"
import * as Doorbell from "./doorbell.ts"
import * as Files from "./files.ts"
import * as Layout from "./layout.ts"
import * as Outward from "./outward.ts"
import { MOST_BYTES, pages, roundUpToPage } from "./pages.ts"
import * as Regions from "./regionTable.ts"
import * as Ringer from "./ringer.ts"
import type { Watcher } from "./watcher.ts"
import * as Whereabouts from "./whereabouts.ts"

/** A participant that is dead, as recoveries are told of it. */
export interface Death {
  readonly life: number
  readonly pid: number
  /** Whether it had made the region. */
  readonly isMaker: boolean
  readonly owners: ReadonlyArray<number>
}

/** Recovers a region; `false`: not all of it, and it is to be tried again. */
export type Recovery = (death: Death) => Effect.Effect<boolean>

interface Held {
  readonly memory: SharedArrayBuffer
  readonly address: number
  readonly bytes: number
  readonly made: boolean
  count: number
}

const ATTACH_MILLIS = 20

/** Between two tries of a recovery that fails; each of them is told. */
const AFTER_FAILURE_MILLIS = 1000

/** There is no region of that name. */
const NONE = Effect.succeed(-1)

export class SpaceCore {
  readonly control: Control.Control
  readonly row: number
  readonly life: number
  private readonly watcher: Watcher
  private ringer: Ringer.Ringer | undefined
  /** Regions that are open here, by their rows. */
  private readonly held = new Map<number, Held>()
  private readonly recoveries = new Map<number, Recovery>()
  private readonly underWay = new Set<string>()
  /** D7. */
  private readonly handed = new Set<number>()
  private readonly lookSoon: () => void
  private isClosed = false
  /** For processes that take no part in the space. */
  readonly pulses: PulseTable

  constructor(control: Control.Control, row: number, life: number, watcher: Watcher, lookSoon: () => void) {
    this.control = control
    this.row = row
    this.life = life
    this.watcher = watcher
    this.lookSoon = lookSoon
    this.pulses = new PulseTable(control.door)
  }

  private get words(): Int32Array {
    return this.control.words
  }

  // -- Regions -----------------------------------------------------------------

  /** A new region until the scope closes. */
  allocate(bytes: number, name?: string): Effect.Effect<SharedArrayBuffer, AllocationFailed, Scope.Scope> {
    const isSize = Number.isInteger(bytes) && bytes >= 1 && roundUpToPage(bytes) <= MOST_BYTES
    if (!isSize) {
      const cause = new RangeError(`wanted a whole number from 1 to ${MOST_BYTES}`)
      return Effect.fail(new AllocationFailed({ bytes, cause }))
    }
    const region = Effect.acquireRelease(this.make(bytes, name), (made) => this.release(made))
    return Effect.mapError(
      Effect.map(region, (made) => this.memoryOf(made)),
      (cause) => new AllocationFailed({ bytes, cause })
    )
  }

  private memoryOf(region: number): SharedArrayBuffer {
    // It is held by whoever asks.
    return this.held.get(region)!.memory
  }

  private make(bytes: number, name: string | undefined): Effect.Effect<number, SpaceError> {
    const { control, row } = this
    const begin = underMutex(control, () => {
      if (name !== undefined) Files.checkRegionName(name)
      if (name !== undefined && Regions.isTaken(control, row, name)) {
        throw new RegionTaken({ path: control.path, region: name })
      }
      return Regions.beginRegion(control, row, bytes, name)
    })
    return Effect.flatMap(begin, (region) => {
      const seal = Control.sealOf(control, region)
      const file = Files.regionPath(control.path, seal.serial)
      const map = attempt(() => this.map(() => Files.createRegion(control.door, file, seal), bytes))
      return Effect.map(
        Effect.onError(map, () => this.abandon(region)),
        (mapped) => {
          this.hold(region, { ...mapped, made: true, count: 1 })
          Regions.finishRegion(control, region)
          return region
        }
      )
    })
  }

  private map(open: () => number, bytes: number): Pick<Held, "memory" | "address" | "bytes"> {
    const { door } = this.control
    const size = roundUpToPage(bytes)
    const memory = pages(size)
    const fd = open()
    try {
      const address = door.addressOf(memory)
      door.mapOver(address, size, fd)
      return { memory, address, bytes: size }
    } finally {
      fs.closeSync(fd)
    }
  }

  private hold(region: number, held: Held): void {
    const { address, door, participants, words } = this.control
    this.held.set(region, held)
    const { control, lookSoon, row } = this
    const wake = Doorbell.wakerOf(door, address)
    Outward.hearFrom(held.memory, { words, wake, participants, row, region, listed: new Set() })
    Whereabouts.note(held.memory, { control, row, region, share: () => this.share(held.memory, region), lookSoon })
    this.watcher.tell({ _tag: "Watch", region, memory: held.memory })
  }

  /** A region that could not be made. */
  private abandon(region: number): Effect.Effect<void> {
    return Effect.ignore(underMutex(this.control, () => this.unmark(region, true)))
  }

  private unmark(region: number, made: boolean): void {
    if (made) Regions.removeRegion(this.control, region)
    // It may have been opened again while the mutex was waited for.
    if (!this.held.has(region)) Layout.clearOpened(this.words, this.row, region)
  }

  /** Opens a region that another participant made, waiting for it. */
  open(name: string, timeoutMillis: number): Effect.Effect<SharedArrayBuffer, SpaceError, Scope.Scope> {
    const opening = Effect.flatMap(
      attempt(() => Files.checkRegionName(name)),
      () => Clock.clockWith((clock) => this.opening(name, timeoutMillis, clock, clock.monotonicTimeNanosUnsafe()))
    )
    const region = Effect.acquireRelease(opening, (opened) => this.release(opened))
    return Effect.map(region, (opened) => this.memoryOf(opened))
  }

  private opening(
    name: string,
    timeoutMillis: number,
    clock: Clock.Clock,
    start: bigint
  ): Effect.Effect<number, SpaceError> {
    return Effect.flatMap(this.openNow(name), (region) => {
      if (region >= 0) return Effect.succeed(region)
      const waitedMillis = since(clock, start)
      return waitedMillis >= timeoutMillis
        ? Effect.fail(
            new NotThere({ path: this.control.path, wanted: `a region ${JSON.stringify(name)}`, waitedMillis })
          )
        : Effect.flatMap(Effect.interruptible(Effect.sleep(ATTACH_MILLIS)), () =>
            this.opening(name, timeoutMillis, clock, start)
          )
    })
  }

  /** -1: there is none of that name. */
  private openNow(name: string): Effect.Effect<number, SpaceError> {
    const { control, row } = this
    const mark = underMutex(control, () => {
      const found = Regions.find(control, name)
      if (found?.state !== Layout.OPEN) return -1
      Layout.setOpened(this.words, row, found.region)
      return found.region
    })
    return Effect.flatMap(mark, (region) => {
      if (region < 0) return Effect.succeed(region)
      const held = this.held.get(region)
      if (held !== undefined) {
        // S4.
        held.count++
        return Effect.succeed(region)
      }
      const seal = Control.sealOf(control, region)
      const file = Files.regionPath(control.path, seal.serial)
      const map = attempt(() => {
        const mapped = this.map(() => Files.openRegion(file, seal), seal.bytes)
        this.hold(region, { ...mapped, made: false, count: 1 })
        return region
      })
      // Its maker may have removed it since it was found: then there is none.
      return Effect.catch(map, (error) =>
        Effect.flatMap(this.takeBack(region), (isThere) => (isThere ? Effect.fail(error) : NONE))
      )
    })
  }

  /** A region that could not be opened; answers whether it is there. */
  private takeBack(region: number): Effect.Effect<boolean> {
    const change = underMutex(this.control, () => {
      const isThere = this.words[Layout.regionWord(region)] === Layout.OPEN
      this.unmark(region, false)
      return isThere
    })
    return Effect.orElseSucceed(change, () => true)
  }

  private release(region: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const held = this.held.get(region)
      if (held === undefined || --held.count > 0) return Effect.void
      this.unmap(region, held)
      if (this.isClosed) return Effect.void
      const unmark = underMutex(this.control, () => this.unmark(region, held.made))
      return Effect.catch(unmark, (error) =>
        Effect.logError(`a region of ${this.control.path} was not given back`, error)
      )
    })
  }

  private unmap(region: number, { address, bytes, memory }: Held): void {
    this.held.delete(region)
    this.recoveries.delete(region)
    Layout.setRecovers(this.words, this.row, region, false)
    Outward.forget(memory)
    Whereabouts.forget(memory)
    if (!this.isClosed) this.watcher.tell({ _tag: "Forget", region })
    this.control.door.putBack(address, bytes)
  }

  /** A region as another thread of this process has it. */
  share(memory: SharedArrayBuffer, region: number): Whereabouts.Shared {
    const { memory: control, participants } = this.control
    return { memory, control, errands: this.errands, participants, row: this.row, region }
  }

  /** Where threads that make no native calls have others woken. */
  get errands(): SharedArrayBuffer {
    this.ringer ??= Ringer.start(this.control, (error) => {
      process.emitWarning(
        `selvedge: the ringer of ${this.control.path} has ended, another one takes its place: ${String(error)}`
      )
    })
    return this.ringer.errands
  }

  /** This participant was given a region for its life, and may leave something behind in it. */
  keepFor(region: number): void {
    this.handed.add(region)
  }

  /** The row of an open region's memory. */
  regionOf(memory: SharedArrayBuffer): Effect.Effect<number, NotARegion> {
    for (const [region, held] of this.held) if (held.memory === memory) return Effect.succeed(region)
    const found = memory instanceof SharedArrayBuffer ? `${memory.byteLength} other bytes` : typeof memory
    return Effect.fail(new NotARegion({ path: this.control.path, found }))
  }

  // -- Deaths ------------------------------------------------------------------

  /** From now on, and for those who died before too. */
  recoverWith(region: number, recovery: Recovery): void {
    this.recoveries.set(region, recovery)
    Layout.setRecovers(this.words, this.row, region, true)
    this.watcher.tell({ _tag: "Recovers", region, recovers: true })
  }

  recoverNoMore(region: number, recovery: Recovery): void {
    if (this.recoveries.get(region) !== recovery) return
    this.recoveries.delete(region)
    Layout.setRecovers(this.words, this.row, region, false)
    if (!this.isClosed) this.watcher.tell({ _tag: "Recovers", region, recovers: false })
  }

  /** Notes who has died, and begins the recoveries that are not under way. */
  look(scope: Scope.Scope): Effect.Effect<void, SpaceError> {
    return Effect.suspend(() => {
      const { control } = this
      const dead = this.others().filter((row) => Control.isDead(control, row))
      const bury = underMutex(control, () => Regions.buryAll(control, dead))
      return Effect.andThen(
        dead.length === 0 ? Effect.void : bury,
        Effect.suspend(() => this.begin(scope))
      )
    })
  }

  private others(): ReadonlyArray<number> {
    return Array.from({ length: this.control.participants }, (_, row) => row).filter((row) => row !== this.row)
  }

  private begin(scope: Scope.Scope): Effect.Effect<void> {
    const jobs: Array<Effect.Effect<void>> = []
    for (const row of this.others()) {
      if (Control.stateOf(this.control, row) !== Layout.DEAD) continue
      for (const [region, recovery] of this.recoveries) {
        if (Layout.hasOpened(this.words, row, region)) jobs.push(this.job(row, region, recovery))
      }
    }
    // D4.
    return Effect.forEach(jobs, (job) => Effect.forkIn(job, scope), { discard: true })
  }

  private job(row: number, region: number, recovery: Recovery): Effect.Effect<void> {
    const life = Control.lifeOf(this.control, row)
    const key = `${life} ${region}`
    if (this.underWay.has(key)) return Effect.void
    this.underWay.add(key)
    const word = Layout.participantWord(row)
    const death: Death = {
      life,
      pid: this.words[word + Layout.PID] ?? 0,
      isMaker: this.words[Layout.regionWord(region) + Layout.MAKER] === life,
      owners: Control.ownersOf(this.control, row)
    }
    // D3.
    const done = underMutex(this.control, () => {
      if (Control.lifeOf(this.control, row) !== life || Control.stateOf(this.control, row) !== Layout.DEAD) return
      Layout.clearOpened(this.words, row, region)
      Control.rest(this.control, row)
    })
    return Effect.suspend(() => recovery(death)).pipe(
      Effect.flatMap((whole) => (whole ? done : Effect.void)),
      Effect.catchCause((cause) =>
        Effect.andThen(
          Effect.logError(`recovery from the death of process ${death.pid} failed, and is tried again`, cause),
          Effect.sleep(AFTER_FAILURE_MILLIS)
        )
      ),
      Effect.ensuring(Effect.sync(() => this.underWay.delete(key)))
    )
  }

  // -- The end -----------------------------------------------------------------

  /** Leaves the space; the owner removes it. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const open = Array.from(this.held)
    for (const [region, held] of open) this.unmap(region, held)
    this.isClosed = true
    this.pulses.close()
    const { control } = this
    const leave = underMutex(control, () => {
      for (const [region, { made }] of open) if (made) Regions.removeRegion(control, region)
      if (control.isOwner) Regions.removeSpace(control)
      Control.leave(control, this.row, this.handed)
      if (!control.isOwner) Regions.removeForsaken(control)
    })
    return Effect.promise(() => Promise.all([this.watcher.stop(), this.ringer?.stop()])).pipe(
      Effect.andThen(leave),
      Effect.catch((error) => Effect.logError(`${control.path} was not left in order`, error)),
      Effect.ensuring(Effect.sync(() => release(control)))
    )
  })
}

/** Gives back what a control file takes: its pages, and all locks with its descriptor. */
export const release = (control: Control.Control): void => {
  const { address, door, fd } = control
  control.isReleased = true
  door.putBack(address, Layout.BYTES)
  fs.closeSync(fd)
}
