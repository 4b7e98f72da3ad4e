/**
 * What a model is: memory, threads, and what must hold.
 *
 * A _model_ is a small program over shared memory. `setup` makes the memory, the
 * `threads` are ordinary functions that attach to it, and `check` looks at what
 * is left when they have ended. The explorer runs the threads in every order that
 * can make a difference. Each execution starts from fresh memory, and bodies are
 * run more than once, so a body may change only its own variables and shared
 * memory.
 */

/**
 * What `setup` is given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setup {
  /** Name the elements of a view in traces: `name[0]`, `name[1]`…, or just `name` for one element. */
  readonly label: (view: object, name: string | ReadonlyArray<string>) => void
}

/**
 * A thread: a function of the state, or one with a role.
 *
 * @category models
 * @since 0.1.0
 */
export type Thread<S, R = unknown> =
  | ((state: S) => R)
  | {
      readonly run: (state: S) => R
      /** A daemon may be asleep or spinning when everybody else has ended. */
      readonly daemon?: boolean | undefined
      /** Starts when the named thread has ended or died. */
      readonly after?: string | undefined
    }

/**
 * @category models
 * @since 0.1.0
 */
export type Threads<S> = { readonly [name: string]: Thread<S> }

/**
 * What each thread returned; `undefined` for one that died.
 *
 * @category models
 * @since 0.1.0
 */
export type Results<T> = {
  readonly [K in keyof T]:
    | (T[K] extends (...args: never) => infer R
        ? Awaited<R>
        : T[K] extends { readonly run: (...args: never) => infer R }
          ? Awaited<R>
          : unknown)
    | undefined
}

/**
 * One recorded call, see `op`. `returned` is -1 when its thread died first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly thread: string
  readonly name: string
  readonly arg: unknown
  readonly result: unknown
  /** Steps of the execution at which the call began and ended. */
  readonly called: number
  readonly returned: number
}

/**
 * How the execution went that is being checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutionInfo {
  readonly steps: number
  /** Threads that died, by the crash sweep. */
  readonly crashed: ReadonlyArray<string>
  readonly history: ReadonlyArray<Call>
}

/**
 * A program to explore, and what must hold of it.
 *
 * **Example**
 *
 * ```ts
 * import { explore } from "@selvedge/testing/model"
 *
 * const report = explore({
 *   setup: () => new Int32Array(new SharedArrayBuffer(4)),
 *   threads: {
 *     a: (x) => Atomics.store(x, 0, Atomics.load(x, 0) + 1),
 *     b: (x) => Atomics.store(x, 0, Atomics.load(x, 0) + 1)
 *   },
 *   check: (x) => {
 *     if (x[0] !== 2) throw new Error(`lost an update: ${x[0]}`)
 *   }
 * })
 * console.log(report._tag) // "Failed"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Model<S, T extends Threads<S> = Threads<S>> {
  readonly name?: string | undefined
  /** Makes the memory; runs before every execution. */
  readonly setup: (setup: Setup) => S
  readonly threads: T
  /** Throws, or answers `false`, in a state that must not be; looked at after every step. */
  readonly invariant?: ((state: S) => unknown) | undefined
  /** Throws, or answers `false`, if the end of an execution is wrong. */
  readonly check?: ((state: S, results: Results<T>, info: ExecutionInfo) => unknown) | undefined
  /** Options this model is explored with unless the caller says otherwise. */
  readonly options?: ExploreOptions | undefined
}

/**
 * Which orders to try: see `Strategy`.
 *
 * @category models
 * @since 0.1.0
 */
export type Strategy =
  | { readonly _tag: "Dpor" }
  | { readonly _tag: "Chess"; readonly preemptions: number }
  | { readonly _tag: "Pct"; readonly depth: number; readonly iterations: number; readonly seed: number }
  | { readonly _tag: "Random"; readonly iterations: number; readonly seed: number }

/**
 * @category models
 * @since 0.1.0
 */
export const Strategy = {
  /** Every order that makes a difference, once. Says `Exhausted`. */
  dpor: (): Strategy => ({ _tag: "Dpor" }),
  /** Every order with at most so many preemptions. */
  chess: (options: { readonly preemptions: number }): Strategy => ({ _tag: "Chess", preemptions: options.preemptions }),
  /** Random priorities with `depth - 1` changes: finds a bug of that depth with a known probability. */
  pct: (options: {
    readonly depth: number
    readonly iterations: number
    readonly seed?: number | undefined
  }): Strategy => ({
    _tag: "Pct",
    depth: options.depth,
    iterations: options.iterations,
    seed: options.seed ?? 1
  }),
  /** Any thread at any step, by seed. */
  random: (options: { readonly iterations: number; readonly seed?: number | undefined }): Strategy => ({
    _tag: "Random",
    iterations: options.iterations,
    seed: options.seed ?? 1
  })
} as const

/**
 * Which threads die, and when. A thread that dies in `Atomics.wait` leaves the list of waiters, perhaps after it has been
 * chosen for a notification.
 *
 * @category models
 * @since 0.1.0
 */
export interface Crash {
  readonly threads?: ReadonlyArray<string> | undefined
  readonly together?: boolean | undefined
  readonly at?: ReadonlyArray<{ readonly thread: string; readonly step: number }> | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ExploreOptions {
  /** Default `Strategy.dpor()`. */
  readonly strategy?: Strategy | undefined
  /** Whether unordered plain accesses fail; default `"error"`. */
  readonly races?: "error" | "off" | undefined
  /**
   * `"check"`: plain accesses belong to the step before, and must not race. `"interleave"`: each is a step of its own, for
   * code that races by design; such an access is then never stale or torn, which real hardware does not promise.
   */
  readonly plain?: "check" | "interleave" | undefined
  /** When a wait with a finite timeout may end by it: at any time, never, or only when nothing else can happen. Default `"any"`. */
  readonly timeouts?: "any" | "never" | "lastResort" | undefined
  /**
   * Explore again with each of `threads` dying before each of its steps in turn; `together`: also each pair of them. `at`
   * explores only with the given deaths.
   */
  readonly crash?: Crash | undefined
  /** Steps of one execution; default 10 000. Reaching it is a failure. */
  readonly maxSteps?: number | undefined
  /** Default: no limit. */
  readonly maxExecutions?: number | undefined
  /** Real seconds; default: no limit. */
  readonly maxSeconds?: number | undefined
  /** Idle turns after which a loop is taken to be endless; default 500. */
  readonly maxSpins?: number | undefined
  /** Repeated reads without effect that are taken for a loop without `Atomics.pause`; 0 switches it off. Default 8. */
  readonly autoPause?: number | undefined
  /** Fail if the search ends before it has seen everything. Default: only with `dpor` and no limit given. */
  readonly requireExhaustive?: boolean | undefined
  /** A printed schedule: run just this execution. */
  readonly replay?: string | undefined
}

/**
 * What went wrong.
 *
 * @category models
 * @since 0.1.0
 */
export type FailureKind =
  | "check"
  | "invariant"
  | "deadlock"
  | "livelock"
  | "data-race"
  | "mixed-size"
  | "exception"
  | "step-limit"
  | "nondeterminism"
  | "not-exhausted"

/**
 * A failure with what is needed to understand it, and to see it again.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelFailure {
  readonly kind: FailureKind
  readonly message: string
  /** Give this to `replay`, or to `MODEL_REPLAY`. */
  readonly schedule: string
  /** One line per step: thread, operation, cell, old and new value, source line. */
  readonly trace: string
  /** What the model's code threw, if that is what failed. */
  readonly error?: unknown
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ReportBase {
  readonly strategy: string
  readonly threads: number
  /** Complete executions. */
  readonly executions: number
  /** Executions given up because another one covers them. */
  readonly pruned: number
  /** Steps taken, in all executions. */
  readonly transitions: number
  /** Steps of the longest execution. */
  readonly longest: number
  readonly seconds: number
}

/**
 * `Exhausted`: every order has been covered and nothing failed. `Sampled`: nothing failed in what was tried.
 *
 * @category models
 * @since 0.1.0
 */
export type Report =
  | (ReportBase & { readonly _tag: "Exhausted"; readonly failure?: undefined })
  | (ReportBase & { readonly _tag: "Sampled"; readonly failure?: undefined })
  | (ReportBase & { readonly _tag: "Failed"; readonly failure: ModelFailure })

/**
 * Give a model its type and its name; the object itself is returned.
 *
 * @category constructors
 * @since 0.1.0
 */
export const defineModel = <S, T extends Threads<S>>(model: Model<S, T>): Model<S, T> => model
