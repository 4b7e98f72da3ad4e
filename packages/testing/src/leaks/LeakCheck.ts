/**
 * A test that leaves something running fails, and says what.
 *
 * `noLeaks` runs the test in a scope of its own, closes it, and looks at what is
 * left: _tasks_ in a `TaskRegistry`, _fibers_ the test started, and _handles_ it
 * opened (sockets, servers, timers, files, workers), each with the line that opened
 * it. What is on its way out is given a moment of real time; only a test that leaks
 * ever waits for it.
 *
 * **Invariants**
 *
 * 1. A test that fails, fails as it did: leaks are looked for after a success only.
 * 2. What was there before the test, and what other tests do meanwhile, is never
 *    held against it.
 *
 * **Gotchas**
 *
 * Handles are told apart by Node's async context: what a connection pool from
 * before the test opens on its behalf may count as the pool's. Unreferenced handles
 * are not listed. A task is named once, as a task; the fibers that belong to it are
 * not named again.
 *
 * @since 0.1.0
 */
import type { TaskInfo } from "@selvedge/core/tasks/Task"
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
import { Handles } from "./internal/handles.ts"
import { isTracked, liveTasks, newTasks } from "./internal/registries.ts"

/**
 * - `patience`: real time for things on their way out; 200 ms when absent.
 * - `ignore`: kinds of handles, as Node's `async_hooks` calls them, that do not
 *   count: `["TCPWRAP"]`.
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
    const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
    const before = liveTasks(context, [])
    const handles = yield* Effect.acquireRelease(
      Effect.sync(() => new Handles()).pipe(Effect.tap((fresh) => Effect.sync(() => fresh.start()))),
      (started) => Effect.sync(() => started.stop())
    )
    return yield* LiveFibers.watch((fibers) =>
      Effect.gen(function* () {
        const result = yield* runMarked(test, handles)
        const look = () => {
          const tasks = newTasks(liveTasks(context, fibers.fibers()), before)
          return find(tasks, fibers, handles.list(options?.ignore ?? []))
        }
        yield* wait(() => look() !== undefined, patienceMillis)
        const leaks = look()
        return leaks === undefined ? result : yield* leaks
      })
    )
  }).pipe(Effect.scoped)

/** In a fiber of its own, so that the children of the test end with it; started inside the mark, which it keeps. */
const runMarked = <A, E, R>(test: Effect.Effect<A, E, R>, handles: Handles) =>
  Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>) =>
    Effect.callback<A, E>((resume) => {
      const fiber = handles.under(() => Effect.runForkWith(context)(Effect.scoped(test)))
      fiber.addObserver(resume)
      return Fiber.interrupt(fiber)
    })
  )

const find = (
  tasks: ReadonlyArray<TaskInfo>,
  live: LiveFibers.LiveFibers,
  handles: ReadonlyArray<string>
): LeaksFound | undefined => {
  const fibers = live.names((fiber) => !isTracked(fiber))
  if (tasks.length + fibers.length + handles.length === 0) return undefined
  const names = tasks.map((task) => `"${task.name}" (${task.kind} #${task.id})`)
  return new LeaksFound({ tasks: names, fibers, handles: listCounts(handles) })
}

/** Lets real time pass while `busy`, at most so long. */
const wait = (busy: () => boolean, patienceMillis: number): Effect.Effect<void> => {
  const steps = Math.ceil(patienceMillis / STEP_MILLIS)
  const pause = Effect.provideService(Effect.sleep(STEP_MILLIS), Clock.Clock, LIVE)
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

const listCounts = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return Array.from(counts, ([name, count]) => (count === 1 ? name : `${name} × ${count}`))
}
