/**
 * What a registry of tasks tells diagnostics: a strand for each live task, counts, and events of the few that go wrong.
 *
 * Every part is optional, and is looked for once, when the registry is made. Where none is there the registry has no feed and pays for
 * looking at `undefined`.
 *
 * **Invariants**
 *
 * 1. A strand is registered before its task's fiber starts, and gives its slot back in the turn in which the task leaves the registry: a
 *    task that blocks its thread in its first step can be seen.
 * 2. Nothing here throws, waits, or changes what becomes of a task.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Counter } from "../../diagnostics/Counter.ts"
import { type CounterId, ids } from "../../diagnostics/CounterId.ts"
import * as Counters from "../../diagnostics/Counters.ts"
import * as FlightRecorder from "../../diagnostics/FlightRecorder.ts"
import * as StrandRegistry from "../../diagnostics/StrandRegistry.ts"
import type { Entry } from "./entry.ts"
import { Handles } from "./handles.ts"

/** The counters of tasks, of this thread. */
interface Tallies {
  readonly spawned: Counter
  readonly succeeded: Counter
  readonly failed: Counter
  readonly interrupted: Counter
  readonly detached: Counter
  readonly restarts: Counter
  readonly peak: Counter
}

export class Feed {
  private readonly strands: StrandRegistry.Shape | undefined
  private readonly tallies: Tallies | undefined
  private readonly recorder: FlightRecorder.Shape | undefined
  private readonly wallMillis: () => number
  /** Of tasks that found a slot, by id. */
  private readonly handles: Handles
  /** The greatest number of live tasks that was told. */
  private peak = 0

  constructor(
    strands: StrandRegistry.Shape | undefined,
    tallies: Tallies | undefined,
    recorder: FlightRecorder.Shape | undefined,
    wallMillis: () => number
  ) {
    this.strands = strands
    this.tallies = tallies
    this.recorder = recorder
    this.wallMillis = wallMillis
    this.handles = new Handles(strands?.capacity ?? 0)
  }

  /** Before its fiber starts; `live` is how many there are with it. */
  started(entry: Entry, live: number): void {
    if (this.strands !== undefined) {
      const start = Math.max(0, Math.floor(entry.monotonicMillis))
      const handle = this.strands.registerUnsafe(entry.id, entry.name, entry.kind, entry.parent?.id, start)
      if (handle >= 0) this.handles.add(entry.id, handle)
    }
    if (this.tallies !== undefined) {
      this.tallies.spawned.addUnsafe(1)
      if (live > this.peak) this.tallies.peak.maxUnsafe((this.peak = live))
    }
  }

  /** It has left the registry. */
  left(entry: Entry): void {
    if (this.strands === undefined) return
    const handle = this.handles.take(entry.id)
    if (handle !== undefined) this.strands.unregisterUnsafe(handle)
  }

  succeeded(): void {
    this.tallies?.succeeded.addUnsafe(1)
  }
  interrupted(): void {
    this.tallies?.interrupted.addUnsafe(1)
  }
  failed(entry: Entry): void {
    this.tallies?.failed.addUnsafe(1)
    this.note("task.failed", entry.id, `${entry.name} (${entry.kind})`)
  }
  restarted(entry: Entry): void {
    this.tallies?.restarts.addUnsafe(1)
    this.note("task.restarted", entry.id, `${entry.name} (${entry.kind})`)
  }
  detached(entry: Entry): void {
    this.tallies?.detached.addUnsafe(1)
    this.note("task.detached", entry.id, `${entry.name} (${entry.kind})`)
  }
  closed(live: number): void {
    this.note("tasks.closed", 0, `${live} live`)
  }
  forced(live: number): void {
    if (live > 0) this.note("tasks.forced", 0, `${live} live`)
  }

  private note(what: string, id: number, text: string): void {
    if (this.recorder?.isEnabled === true) this.recorder.recordUnsafe(what, id, text, this.wallMillis())
  }
}

const talliesOf = (counters: Counters.Shape): Tallies | Counters.RegisterError => {
  const problems: Array<Counters.RegisterError> = []
  const counter = (id: CounterId): Counter => {
    const made = counters.registerUnsafe(id)
    if (!(made instanceof Counter)) problems.push(made)
    return made as Counter
  }
  const tallies: Tallies = {
    spawned: counter(ids.tasksSpawned),
    succeeded: counter(ids.tasksSucceeded),
    failed: counter(ids.tasksFailed),
    interrupted: counter(ids.tasksInterrupted),
    detached: counter(ids.tasksDetached),
    restarts: counter(ids.taskRestarts),
    peak: counter(ids.tasksPeak)
  }
  return problems[0] ?? tallies
}

/** What of diagnostics is in the context; `undefined` if nothing is. */
export const make: Effect.Effect<Feed | undefined> = Effect.gen(function* () {
  const strands = Option.getOrUndefined(yield* Effect.serviceOption(StrandRegistry.StrandRegistry))
  const counters = Option.getOrUndefined(yield* Effect.serviceOption(Counters.Counters))
  const recorder = Option.getOrUndefined(yield* Effect.serviceOption(FlightRecorder.FlightRecorder))
  const found = counters && talliesOf(counters)
  if (found instanceof Error) yield* Effect.logWarning(`tasks are not counted: ${found.message}`)
  const tallies = found instanceof Error ? undefined : found
  const seen = strands?.isEnabled === true ? strands : undefined
  if (seen === undefined && tallies === undefined && recorder?.isEnabled !== true) return undefined
  return yield* Effect.clockWith((clock) =>
    Effect.succeed(new Feed(seen, tallies, recorder, () => clock.currentTimeMillisUnsafe()))
  )
})
