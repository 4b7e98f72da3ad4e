/**
 * A test that leaves something running fails, and says what.
 *
 * `noLeaks` runs the test in a scope of its own, closes it, and looks at what is
 * left: _tasks_ in a `TaskRegistry`, _fibers_ the test started, and _handles_
 * (sockets, servers, timers, files) that keep the process alive and were not there
 * before. What is on its way out is given a moment of real time; only a test that
 * leaks ever waits for it.
 *
 * **Invariants**
 *
 * 1. A test that fails, fails as it did: leaks are looked for after a success only.
 * 2. What was there before the test is never held against it.
 *
 * **Gotchas**
 *
 * Handles belong to the process, not to a test: in files whose tests run
 * concurrently, another test's socket shows up here. Unreferenced handles are not
 * listed by Node, and not seen. A task is named once, as a task; the fibers that
 * belong to it are not named again.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { InvalidOption } from "../faults/InvalidOption.ts"
import * as LiveFibers from "./LiveFibers.ts"
import { isTracked, liveTasks } from "./internal/registries.ts"

/**
 * - `patience`: real time for things on their way out; 200 ms when absent.
 * - `ignore`: kinds of handles, as `process.getActiveResourcesInfo` calls them,
 *   that do not count: `["TCPSocketWrap"]`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly patience?: Duration.Input | undefined
  readonly ignore?: ReadonlyArray<string> | undefined
}

/**
 * What a test left behind. Each list has names; `× n` when there are several.
 *
 * @category errors
 * @since 0.1.0
 */
export class LeaksFound extends Data.TaggedError("LeaksFound")<{
  readonly tasks: ReadonlyArray<string>
  readonly fibers: ReadonlyArray<string>
  readonly handles: ReadonlyArray<string>
}> {
  override get message(): string {
    const parts = [
      ["live tasks", this.tasks],
      ["live fibers", this.fibers],
      ["open handles", this.handles]
    ] as const
    const found = parts.filter(([, names]) => names.length > 0)
    return `the test left behind ${found.map(([what, names]) => `${what}: ${names.join(", ")}`).join("; ")}`
  }
}

/**
 * Runs a test in a scope of its own and fails when it leaves anything running.
 *
 * **Errors**
 *
 * - `LeaksFound`: tasks, fibers or handles were left. `InvalidOption`: a bad patience.
 *
 * **Example** (A loop nobody stops)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { LeakCheck } from "@selvedge/testing"
 *
 * const test = Effect.forkDetach(Effect.withSpan(Effect.never, "poll"))
 * const error = await Effect.runPromise(Effect.flip(LeakCheck.noLeaks(test)))
 * console.log(error.message) // the test left behind live fibers: "poll"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const noLeaks = <A, E, R>(
  test: Effect.Effect<A, E, R>,
  options?: Options
): Effect.Effect<A, E | LeaksFound | InvalidOption, Exclude<R, Scope.Scope>> =>
  Effect.gen(function* () {
    const patienceMillis = yield* checkPatience(options?.patience ?? "200 millis")
    // A timer counts as an open handle while its own callback runs: look in a turn of our own, before and after.
    yield* Effect.yieldNow
    const before = handles(options?.ignore)
    const context = yield* Effect.context<never>()
    return yield* LiveFibers.watch((fibers) =>
      Effect.gen(function* () {
        // A fiber of its own, so that the children of the test end with it.
        const result = yield* Effect.flatMap(Effect.forkChild(Effect.scoped(test)), Fiber.join)
        const look = () => find(context, fibers, before, options?.ignore)
        yield* Effect.yieldNow
        yield* wait(() => look() !== undefined, patienceMillis)
        const leaks = look()
        return leaks === undefined ? result : yield* leaks
      })
    )
  })

const find = (
  context: Context.Context<never>,
  live: LiveFibers.LiveFibers,
  before: Counts,
  ignore: Options["ignore"]
): LeaksFound | undefined => {
  const seen = live.fibers()
  const tasks = liveTasks(context, seen)
    .flat()
    .map((task) => `"${task.name}" (${task.kind} #${task.id})`)
  const untracked = seen.filter((fiber) => !isTracked(fiber))
  const unseen = live.live() - seen.length
  const fibers = [
    ...live.names(untracked),
    ...listCounts(unseen > 0 ? new Map([["a fiber that never ran", unseen]]) : new Map())
  ]
  const open = listCounts(more(handles(ignore), before))
  return tasks.length + fibers.length + open.length === 0 ? undefined : new LeaksFound({ tasks, fibers, handles: open })
}

/** Lets real time pass while `busy`, at most so long. */
const wait = (busy: () => boolean, patienceMillis: number): Effect.Effect<void> => {
  const steps = Math.ceil(patienceMillis / STEP_MILLIS)
  const pause = Effect.andThen(Effect.provideService(Effect.sleep(STEP_MILLIS), Clock.Clock, LIVE), Effect.yieldNow)
  let step = 0
  return Effect.whileLoop({ while: () => step < steps && busy(), body: () => pause, step: () => step++ })
}

const STEP_MILLIS = 5

/** What a context gives that nobody put a clock into. */
const LIVE: Clock.Clock = Context.get(Context.empty(), Clock.Clock)

const checkPatience = (patience: Duration.Input): Effect.Effect<number, InvalidOption> => {
  const input = Number.isNaN(patience) ? Option.none() : Duration.fromInput(patience)
  const millis = Option.match(input, { onNone: () => Number.NaN, onSome: Duration.toMillis })
  return millis >= 0 && Number.isFinite(millis)
    ? Effect.succeed(millis)
    : Effect.fail(
        new InvalidOption({
          tool: "LeakCheck",
          option: "patience",
          wanted: "a finite duration of 0 ms or more",
          found: patience
        })
      )
}

// -----------------------------------------------------------------------------
// Handles
// -----------------------------------------------------------------------------

type Counts = ReadonlyMap<string, number>

/** Queued work of the event loop itself; it is gone a turn later. */
const TRANSIENT = ["Immediate", "TickObject", "Microtask"]

const handles = (ignore: Options["ignore"]): Counts => {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (TRANSIENT.includes(kind) || ignore?.includes(kind)) continue
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

const more = (after: Counts, before: Counts): Counts =>
  new Map(
    Array.from(after, ([kind, count]) => [kind, count - (before.get(kind) ?? 0)] as const).filter(
      ([, count]) => count > 0
    )
  )

const listCounts = (counts: Counts): ReadonlyArray<string> =>
  Array.from(counts, ([name, count]) => (count === 1 ? name : `${name} × ${count}`))
