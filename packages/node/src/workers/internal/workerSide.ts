/**
 * The worker's side of a link, the same in threads and processes: loads the program, leads its life, keeps what comes too early.
 *
 * ```text
 *   loading ──▶ living ──▶ over        loading: messages wait in order; an error nobody caught waits too
 *      └ the module fails: Ended(Failed) ──▲
 * ```
 *
 * **Invariants**
 *
 * 1. `Ended` is the last thing that is sent, also when the program could not be loaded.
 * 2. Sending never throws: what cannot be cloned becomes a reply or a problem that says so.
 *
 * @internal
 */
import * as CoreKeepAlive from "@selvedge/core/memory/KeepAlive"
import * as Guard from "@selvedge/core/service/Guard"
import * as Signals from "@selvedge/core/service/Signals"
import * as WorkerLife from "@selvedge/core/service/WorkerLife"
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import { MemoryUse } from "@selvedge/core/workers/MemoryUse"
import { AvailableParallelism } from "@selvedge/core/workers/Parallelism"
import * as Pulse from "@selvedge/core/workers/Pulse"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import * as WorkerExit from "@selvedge/core/workers/WorkerExit"
import * as WorkerMessage from "@selvedge/core/workers/WorkerMessage"
import { GivenOwner, type Regions } from "@selvedge/core/workers/WorkerRegions"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { availableParallelism } from "node:os"
import * as KeepAlive from "../../main/KeepAlive.ts"
import * as NodeSignals from "../../main/NodeSignals.ts"
import type { MappingError } from "../../memory/MappedMemory.ts"
import type { Held } from "../../memory/MappedRegions.ts"
import { InnerRef } from "./hybridInner.ts"
import type { StartData } from "./startData.ts"

/** Where signals and errors that nobody caught are heard. */
export type Emitter = NonNullable<Parameters<typeof NodeSignals.make>[0]>

/** What the two kinds of entries do differently. */
export interface Surroundings {
  readonly data: StartData
  /** Carries an encoded message; may throw what structured cloning throws. */
  readonly post: (wire: unknown) => void
  readonly emitter: Emitter
  readonly guard: Guard.GuardShape | undefined
  readonly memoryUse: () => number
  /** `Ended` has been posted. */
  readonly leave: (exitCode: number) => void
}

export interface WorkerSide {
  readonly receive: (wire: unknown) => void
  readonly linkLost: () => void
}

export const run = (around: Surroundings): WorkerSide => {
  const side = new Side(around)
  side.begin()
  return {
    receive: (wire) => side.tell((life) => life.receive(wire)),
    linkLost: () => side.tell((life) => life.linkLost())
  }
}

class Side {
  private readonly around: Surroundings
  private life: WorkerLife.WorkerLife | undefined = undefined
  private early: Array<(life: WorkerLife.WorkerLife) => void> = []

  constructor(around: Surroundings) {
    this.around = around
  }

  tell(what: (life: WorkerLife.WorkerLife) => void): void {
    if (this.life === undefined) this.early.push(what)
    else what(this.life)
  }

  begin(): void {
    const whole = Effect.scoped(this.whole).pipe(
      Effect.catchCause((cause) => {
        const exit: WorkerExit.WorkerExit = { _tag: "Failed", exitCode: 1, errors: WorkerExit.errorRows(cause) }
        return Effect.as(
          Effect.sync(() => this.send({ _tag: "Ended", exit })),
          exit
        )
      }),
      Effect.provideService(CoreKeepAlive.KeepAlive, KeepAlive.holdUnsafe),
      Effect.provideService(AvailableParallelism, availableParallelism()),
      this.around.guard === undefined ? (self) => self : Effect.provideService(Guard.Guard, this.around.guard)
    )
    Effect.runFork(whole).addObserver((exit) => this.around.leave(exit._tag === "Success" ? codeOf(exit.value) : 1))
  }

  /** Everything from the first line to the last word. The scope closes after it: errors are heard until then. */
  private readonly whole = Effect.gen({ self: this }, function* () {
    yield* KeepAlive.hold
    const signals = yield* NodeSignals.make(this.around.emitter)
    const { data } = this.around
    // Before the program: it may use them while it is loaded into a layer, and without them it is not to begin.
    const held = yield* heldBy(data)
    const pulse = yield* pulseOf(data)
    const program = yield* load(data)
    const context = factsOf(data)
    const life = WorkerLife.make(program, {
      context,
      regions: { ...data.regions, ...held?.regions },
      pulse,
      send: (wire) => this.post(wire)
    })
    this.life = life
    for (const what of this.early.splice(0)) what(life)
    const run = life.run.pipe(
      Effect.provideService(Signals.Signals, signals),
      Effect.provideService(MemoryUse, this.around.memoryUse),
      Effect.provideService(InnerRef, data.inner),
      held === undefined
        ? (self) => self
        : (self) => Effect.provideContext(Effect.provideService(self, GivenOwner, held.ownerOf), held.context)
    )
    if (data.tables === undefined && data.tablePlaces === undefined) return yield* run
    // Loaded by those who have them: what a worker loads is what its start takes.
    const ThreadTables = yield* Effect.promise(() => import("./threadTables.ts"))
    const tables = data.tablePlaces && ThreadTables.opened(data.tablePlaces, held?.optional ?? {})
    return yield* ThreadTables.within(data.tables ?? tables, run)
  })

  private send(message: WorkerMessage.FromWorker): void {
    this.around.post(WorkerMessage.encodeFromWorker(message))
  }

  private post(wire: unknown): void {
    try {
      this.around.post(wire)
    } catch (error) {
      this.send(
        inPlaceOf(wire, `what it sent cannot be cloned: ${error instanceof Error ? error.message : String(error)}`)
      )
    }
  }
}

type MaybeHeld = (Held & { readonly optional?: Regions }) | undefined

/** What it has of mapped memory. Loaded by those who have any. */
const heldBy = ({ lent = {}, places, tablePlaces }: StartData): Effect.Effect<MaybeHeld, MappingError, Scope.Scope> => {
  const isInProcess = places !== undefined || tablePlaces !== undefined
  if (!isInProcess && Object.keys(lent).length === 0) return Effect.succeed(undefined)
  return Effect.flatMap(
    Effect.promise(() => import("../../memory/MappedRegions.ts")),
    ({ borrow, openAll }): Effect.Effect<MaybeHeld, MappingError, Scope.Scope> =>
      isInProcess ? openAll(places ?? {}, tablePlaces?.places) : borrow(lent)
  )
}

/** Where it shows that it lives: in its supervisor's memory, or in a table of lines. */
const pulseOf = ({ line, pulse }: StartData): Effect.Effect<Pulse.Writer | undefined> =>
  line === undefined
    ? Effect.succeed(pulse && Pulse.adopt(pulse))
    : Effect.flatMap(
        Effect.promise(() => import("../../memory/PulseTable.ts")),
        ({ inherit }) => inherit(line)
      )

const factsOf = (data: StartData): Facts => {
  const start = WorkerMessage.readToWorker(data.start)
  if (start._tag === "Start") return start.context
  throw new Error(`a worker was started without being told who it is: ${start._tag}`)
}

const load = (data: StartData): Effect.Effect<WorkerProgram.WorkerProgram> =>
  Effect.map(
    Effect.promise(() => import(data.url) as Promise<Readonly<Record<string, unknown>>>),
    (module) =>
      Option.getOrThrowWith(
        WorkerProgram.fromExport(module[data.exportName]),
        () => new Error(`${data.url} has no program called ${data.exportName}`)
      )
  )

/** A reply somebody waits for must be one. */
const inPlaceOf = (wire: unknown, message: string): WorkerMessage.FromWorker =>
  typeof wire === "object" && wire !== null && "_tag" in wire && wire._tag === "Reply" && "id" in wire
    ? { _tag: "Reply", id: Number(wire.id), result: { _tag: "Defect", message } }
    : { _tag: "Problem", message }

const codeOf = (exit: WorkerExit.WorkerExit): number =>
  exit._tag === "Completed" ? 0 : exit._tag === "Stopped" || exit._tag === "Failed" ? exit.exitCode : 1
