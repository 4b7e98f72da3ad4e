/**
 * A dump: everything a service is doing at one moment, so that "what is it waiting for?" has an answer.
 *
 * Capturing looks at the task registry, the strands and counters in shared memory, and whoever registered with
 * `DumpSources`; what is not there is left out. It changes nothing, and the service goes on. The result is a value
 * (`DumpSchema`); `DumpText.render` makes lines of it, `DumpSchema.DumpJson` one line of JSON.
 *
 * There are two ways to capture. `capture` waits a moment for sources that have to wait themselves. `captureUnsafe` waits
 * for nothing and can be called from anywhere on the thread, also in the middle of what blocks it: that is how the
 * watchdog gets a dump out of a loop that does not turn.
 *
 * **Invariants**
 *
 * 1. A dump never fails. What could not be read is named in `warnings` or in its section.
 * 2. `capture` takes at most `timeout`, whatever the sources do.
 * 3. A dump is of bounded size: rows past a limit are counted, not listed.
 *
 * Source: the thread dump of the JVM (SIGQUIT, the process goes on).
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import { Counters } from "../diagnostics/Counters.ts"
import { FlightRecorder } from "../diagnostics/FlightRecorder.ts"
import { StrandRegistry } from "../diagnostics/StrandRegistry.ts"
import { TaskRegistry } from "../tasks/TaskRegistry.ts"
import { Census, type Shape as CensusShape } from "./Census.ts"
import * as DumpFacts from "./DumpFacts.ts"
import type * as DumpSchema from "./DumpSchema.ts"
import { DumpSources } from "./DumpSources.ts"
import * as Ask from "./internal/ask.ts"
import * as Parts from "./internal/parts.ts"
import { messageOf } from "./internal/plain.ts"
import * as Shared from "./internal/shared.ts"
import * as Tasks from "./internal/tasks.ts"
import { whereOf } from "./internal/where.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Who asked. Default `"api"`. */
  readonly occasion?: DumpSchema.Occasion | undefined
  /** How long sources that wait are waited for. Default 400 milliseconds. */
  readonly timeout?: Duration.Input | undefined
  /** How many tasks are listed, the oldest first; at least 1. Default 1000. */
  readonly maxTasks?: number | undefined
}

const TIMEOUT = Duration.millis(400)
const MAX_TASKS = 1000

/**
 * What the current piece of work waits for, in words of its own.
 *
 * @category services
 * @since 0.1.0
 */
export const WaitingFor: Context.Reference<string | undefined> = Tasks.WaitingFor

/**
 * Says what an effect waits for; a dump shows it beside the task while the effect runs.
 *
 * **Example** (A lock that somebody else holds)
 *
 * ```ts
 * import { Dump } from "@selvedge/core"
 * import { Effect, Semaphore } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const lock = yield* Semaphore.make(1)
 *   yield* Dump.waitingFor(Semaphore.take(lock, 1), "the lock of the index")
 * })
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const waitingFor: {
  (what: string): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, what: string): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, what: string) =>
  Effect.provideService(self, Tasks.WaitingFor, what)
)

/**
 * Captures a dump of the surrounding service.
 *
 * **Errors**: none.
 *
 * **Example** (A route that answers with a dump)
 *
 * ```ts
 * import { Dump, DumpText } from "@selvedge/core"
 * import { Effect } from "effect"
 * import { HttpRouter, HttpServerResponse } from "effect/http"
 *
 * const route = HttpRouter.add(
 *   "GET",
 *   "/dump",
 *   Effect.map(Dump.capture(), (dump) => HttpServerResponse.text(DumpText.render(dump)))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const capture = (options?: Options): Effect.Effect<DumpSchema.Dump> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.suspend(() => {
      const started = begin(context)
      const limit = Option.getOrElse(Duration.fromInput(options?.timeout ?? TIMEOUT), () => TIMEOUT)
      const end = (): DumpSchema.Dump => finish(context, started, options, `no answer within ${Duration.format(limit)}`)
      return Ask.haveAnswered(started.asked)
        ? Effect.sync(end)
        : Effect.map(Effect.timeoutOption(Ask.answers(started.asked), limit), end)
    })
  )

/**
 * Captures a dump now, on the spot: sources that have to wait are late. For callbacks, and for a loop that is blocked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const captureUnsafe = (context: Context.Context<never>, options?: Options): DumpSchema.Dump =>
  finish(context, begin(context), options, "it has to wait, and this dump waits for nobody")

interface Started {
  /** Who was running when the dump was asked for: asking runs fibers of its own. */
  readonly current: Fiber.Fiber<unknown, unknown> | undefined
  readonly asked: ReadonlyArray<Ask.Asked>
  readonly warnings: Array<string>
}

const begin = (context: Context.Context<never>): Started => {
  const current = Fiber.getCurrent()
  const warnings: Array<string> = []
  const asked = guarded(warnings, "the sources", [], () =>
    Ask.ask(Context.get(context, DumpSources).listUnsafe(), context)
  )
  return { current, asked, warnings }
}

const finish = (
  context: Context.Context<never>,
  { asked, current, warnings }: Started,
  options: Options | undefined,
  late: string
): DumpSchema.Dump => {
  const clock = Context.get(context, Clock.Clock)
  const now = {
    wallMillis: clock.currentTimeMillisUnsafe(),
    monotonicMillis: Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
  }
  const platform = guarded(warnings, "the platform", { process: null, memory: null }, () =>
    Context.get(context, DumpFacts.Platform)()
  )
  const registry = Option.getOrUndefined(Context.getOption(context, TaskRegistry))
  const limit = Math.max(1, Math.trunc(options?.maxTasks ?? MAX_TASKS))
  const tasks = guarded(warnings, "the tasks", Tasks.none, () =>
    registry === undefined ? Tasks.none : Tasks.read(registry, { current, wallMillis: now.wallMillis, limit })
  )
  const told = Parts.distribute(asked.map((one) => [one.source, Ask.answerOf(one, late)] as const))
  const shared = fromShared(warnings, now, {
    strands: Option.getOrUndefined(Context.getOption(context, StrandRegistry)),
    counters: Option.getOrUndefined(Context.getOption(context, Counters)),
    flight: Option.getOrUndefined(Context.getOption(context, FlightRecorder))
  })
  return {
    ...empty(options?.occasion ?? "api", now.wallMillis),
    ...shared,
    process: platform.process,
    service: guarded(warnings, "the service", null, () => Context.get(context, DumpFacts.Service)()),
    totals: warnOf(warnings, shared.totals ?? tasks.totals),
    warnings,
    tasks: { live: tasks.live, rows: tasks.rows, more: tasks.live - tasks.rows.length },
    workers: told.workers,
    incidents: told.incidents,
    rings: told.rings,
    notifiers: told.notifiers,
    memory: Parts.memory(platform.memory, told.regions),
    census: guarded(warnings, "the census", null, () => censusOf(Context.get(context, Census), now.wallMillis)),
    sections: told.sections
  }
}

const CENSUS_ROWS = 50

const censusOf = (census: CensusShape | undefined, wallMillis: number): DumpSchema.Dump["census"] => {
  if (census === undefined) return null
  const untracked = census.untrackedUnsafe()
  return {
    live: census.liveUnsafe(),
    untracked: untracked.length,
    rows: untracked.slice(0, CENSUS_ROWS).map(({ fiber, sinceMillis }) => ({
      id: fiber.id,
      ageMillis: Math.max(0, wallMillis - sinceMillis),
      inside: whereOf(fiber, wallMillis).inside
    }))
  }
}

/**
 * What can be read of shared memory.
 *
 * @category models
 * @since 0.1.0
 */
export type Readers = Shared.Readers

/**
 * A dump of what stands in shared memory only: for another thread, while the one that is looked at runs native code and
 * cannot be asked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const captureShared = (
  readers: Readers,
  now: { readonly wallMillis: number; readonly monotonicMillis: number },
  occasion: DumpSchema.Occasion
): DumpSchema.Dump => {
  const warnings = ["the thread could not be asked: this is what stands in shared memory"]
  const shared = fromShared(warnings, now, readers)
  return { ...empty(occasion, now.wallMillis), ...shared, totals: warnOf(warnings, shared.totals), warnings }
}

const fromShared = (warnings: Array<string>, now: Shared.Now, readers: Readers) => ({
  totals: guarded(warnings, "the strands", null, () => Shared.totals(readers.strands)),
  strands: guarded(warnings, "the strands", { rows: [], more: 0 }, () => Shared.strands(readers.strands, now)),
  counters: guarded(warnings, "the counters", [], () => Shared.counters(readers.counters)),
  flight: guarded(warnings, "the flight recorder", [], () => Shared.flight(readers.flight, now))
})

const warnOf = (
  warnings: Array<string>,
  totals: typeof DumpSchema.Totals.Type | null
): typeof DumpSchema.Totals.Type | null => {
  if (totals !== null && totals.lost > 0) {
    warnings.push(`${totals.lost} ${totals.of} lost: they ended without saying so`)
  }
  if (totals !== null && totals.overflow > 0) {
    warnings.push(`${totals.overflow} ${totals.of} ran without a slot: the table was full`)
  }
  return totals
}

const empty = (occasion: DumpSchema.Occasion, takenAt: number): DumpSchema.Dump => ({
  schema: "selvedge/dump",
  version: 1,
  occasion,
  takenAt,
  process: null,
  service: null,
  blocked: null,
  totals: null,
  warnings: [],
  tasks: { live: 0, rows: [], more: 0 },
  strands: { rows: [], more: 0 },
  workers: [],
  incidents: [],
  rings: [],
  notifiers: [],
  counters: [],
  memory: null,
  census: null,
  sections: [],
  flight: []
})

/** A part that cannot be read is a warning, not a failure. */
const guarded = <A>(warnings: Array<string>, what: string, otherwise: A, read: () => A): A => {
  try {
    return read()
  } catch (error) {
    warnings.push(`${what} could not be read: ${messageOf(error)}`)
    return otherwise
  }
}
