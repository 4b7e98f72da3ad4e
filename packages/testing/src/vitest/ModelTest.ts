/**
 * Models as tests: `it.model` explores in the test and fails with the trace;
 * `exploreEffect` is the same as an Effect, to be composed.
 *
 * The environment variable `MODEL_REPLAY` holds a printed schedule: a test that
 * sees it runs that execution only. Use it with a filter:
 * `MODEL_REPLAY='0x5.1x8' npx vitest -t 'keeps the last update'`.
 */
import * as EffectVitest from "@effect/vitest"
import * as Effect from "effect/Effect"
import { explore, type ExploreOptions, type Model, printReport, type Report, type Threads } from "../model/index.ts"

const replayFromEnvironment = (): string | undefined => {
  const replay = process.env["MODEL_REPLAY"]
  return replay === undefined || replay === "" ? undefined : replay
}

const withReplay = (options: ExploreOptions): ExploreOptions => {
  const replay = replayFromEnvironment()
  return replay === undefined ? options : { ...options, replay }
}

/**
 * Thrown by `it.model` when a model fails: the message is the whole story.
 *
 * @category errors
 * @since 0.1.0
 */
export class ModelFailed extends Error {
  override readonly name = "ModelFailed"
  readonly report: Report
  constructor(name: string, report: Report) {
    super(printReport(name, report), report._tag === "Failed" ? { cause: report.failure.error } : undefined)
    this.report = report
  }
}

/**
 * A test that explores a model and fails if it does. With a strategy that never sees everything, or a limit, `Sampled`
 * passes unless `requireExhaustive` is set.
 *
 * @category tests
 * @since 0.1.0
 */
export interface ModelTest {
  <S, T extends Threads<S>>(title: string, model: Model<S, T>, timeout?: number): void
  <S, T extends Threads<S>>(title: string, options: ExploreOptions, model: Model<S, T>, timeout?: number): void
}

const passes = (title: string, report: Report, options: ExploreOptions): void => {
  if (
    report._tag === "Failed" ||
    (report._tag === "Sampled" && options.requireExhaustive === true && options.replay === undefined)
  ) {
    throw new ModelFailed(title, report)
  }
}

type AnyModel = Model<unknown, Threads<unknown>>

const isModel = (value: unknown): value is AnyModel => typeof value === "object" && value !== null && "threads" in value

const model: ModelTest = (title: string, first: unknown, second?: unknown, third?: unknown): void => {
  const given: ExploreOptions = isModel(first) ? {} : withDefaults(first)
  const subject = isModel(first) ? first : (second as AnyModel)
  const timeout = (isModel(first) ? second : third) as number | undefined
  EffectVitest.it(
    title,
    () => {
      const options = withReplay(given)
      passes(title, explore(subject, options), options)
    },
    timeout
  )
}

const withDefaults = (options: unknown): ExploreOptions => (options ?? {}) as ExploreOptions

/**
 * The `it` of `@effect/vitest` (`it.effect`, `it.live`, `it.prop`…), and `it.model`.
 *
 * **Example**
 *
 * ```ts
 * import { it } from "@selvedge/testing/vitest"
 *
 * it.model("two additions are both kept", {
 *   setup: () => new Int32Array(new SharedArrayBuffer(4)),
 *   threads: { a: (x) => Atomics.add(x, 0, 1), b: (x) => Atomics.add(x, 0, 1) },
 *   check: (x) => x[0] === 2
 * })
 * ```
 *
 * @category tests
 * @since 0.1.0
 */
export const it: EffectVitest.Vitest.Methods & { readonly model: ModelTest } = new Proxy(EffectVitest.it, {
  get: (target, key, receiver) => (key === "model" ? model : Reflect.get(target, key, receiver))
}) as EffectVitest.Vitest.Methods & { readonly model: ModelTest }

/**
 * Explore as an Effect: succeeds with the report, whatever it says; dies with `ModelError` for a model that cannot be
 * explored.
 *
 * @category effects
 * @since 0.1.0
 */
export const exploreEffect = <S, T extends Threads<S>>(
  subject: Model<S, T>,
  options: ExploreOptions = {}
): Effect.Effect<Report> => Effect.sync(() => explore(subject, withReplay(options)))

/**
 * Explore as an Effect, and die with the whole story if the model fails.
 *
 * @category effects
 * @since 0.1.0
 */
export const assertModel = <S, T extends Threads<S>>(
  title: string,
  subject: Model<S, T>,
  options: ExploreOptions = {}
): Effect.Effect<Report> =>
  Effect.map(exploreEffect(subject, options), (report) => {
    passes(title, report, withReplay(options))
    return report
  })
