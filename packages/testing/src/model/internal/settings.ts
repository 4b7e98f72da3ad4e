/**
 * Checks a model and its options, whole, before anything runs.
 *
 * @internal
 */
import type { Crash, ExploreOptions, Model, Strategy, Thread, Threads } from "../Model.ts"
import { ModelError } from "../ModelError.ts"
import type { Settings, ThreadDefinition } from "./execution.ts"
import { Dpor } from "./dpor.ts"
import type { Walker } from "./walker.ts"
import { Chess, Pct, Random } from "./walks.ts"

/** More would need masks of another type; nobody explores half as many. */
export const MAX_THREADS = 16

export const refuse = (message: string): never => {
  throw new ModelError({ reason: "options", message })
}

const oneOf = <A extends string>(name: string, value: A | undefined, allowed: ReadonlyArray<A>, otherwise: A): A => {
  if (value === undefined) return otherwise
  if (!allowed.includes(value)) refuse(`${name}: wanted ${allowed.join(" | ")}, found ${JSON.stringify(value)}.`)
  return value
}

const positive = (name: string, value: number | undefined, otherwise: number, least = 1): number => {
  if (value === undefined) return otherwise
  if (typeof value !== "number" || !(value >= least))
    refuse(`${name}: wanted a number >= ${least}, found ${String(value)}.`)
  return value
}

const whole = (name: string, value: number | undefined, otherwise: number, least = 1): number => {
  const n = positive(name, value, otherwise, least)
  if (!Number.isInteger(n) && n !== Infinity) refuse(`${name}: wanted a whole number, found ${String(value)}.`)
  return n
}

/** All of them, seen to by the compiler: a misspelt option would otherwise be silently without effect. */
const known: Readonly<Record<keyof ExploreOptions, true>> = {
  strategy: true,
  races: true,
  plain: true,
  timeouts: true,
  crash: true,
  maxSteps: true,
  maxExecutions: true,
  maxSeconds: true,
  maxSpins: true,
  autoPause: true,
  requireExhaustive: true,
  replay: true
}

const knownOfCrash: Readonly<Record<keyof Crash, true>> = { threads: true, together: true, at: true }

/** A `chek` would agree to everything. */
const knownOfModel: Readonly<Record<keyof Model<unknown>, true>> = {
  name: true,
  setup: true,
  threads: true,
  invariant: true,
  check: true,
  options: true
}

const knownOfThread: Readonly<Record<keyof Exclude<Thread<unknown>, (state: unknown) => unknown>, true>> = {
  run: true,
  daemon: true,
  after: true
}

const onlyKnown = (what: string, found: object, allowed: object): void => {
  for (const name of Object.keys(found)) {
    if (!Object.hasOwn(allowed, name))
      refuse(`${what}: there is no ${JSON.stringify(name)}, only ${Object.keys(allowed).join(", ")}.`)
  }
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value)

/** Refuses options that are none. */
export const checkOptions = (options: ExploreOptions | undefined): void => {
  if (options === undefined) return
  if (!isObject(options)) return refuse(`options: wanted an object, found ${String(options)}.`)
  onlyKnown("options", options, known)
  const { crash, requireExhaustive } = options
  if (requireExhaustive !== undefined && typeof requireExhaustive !== "boolean")
    refuse("requireExhaustive: wanted true or false.")
  if (crash === undefined) return
  if (!isObject(crash)) return refuse("crash: wanted { threads?, together?, at? }.")
  onlyKnown("crash", crash, knownOfCrash)
  if (crash.at !== undefined && !Array.isArray(crash.at)) refuse("crash.at: wanted a list of { thread, step }.")
}

export const settingsOf = (options: ExploreOptions): Settings => ({
  plain: oneOf("plain", options.plain, ["check", "interleave"], "check"),
  races: oneOf("races", options.races, ["error", "off"], "error") === "error",
  timeouts: oneOf("timeouts", options.timeouts, ["any", "never", "lastResort"], "any"),
  maxSteps: Math.min(whole("maxSteps", options.maxSteps, 10_000), 1_000_000),
  maxSpins: whole("maxSpins", options.maxSpins, 500),
  autoPause: whole("autoPause", options.autoPause, 8, 0)
})

/** The threads of a model, in the order they are written. */
export const definitionsOf = <S>(model: Model<S, Threads<S>>): ReadonlyArray<ThreadDefinition> => {
  if (typeof model !== "object" || model === null) return refuse("A model is an object with setup and threads.")
  onlyKnown("model", model, knownOfModel)
  if (typeof model.setup !== "function") return refuse("setup: wanted a function that makes the memory.")
  if (typeof model.threads !== "object" || model.threads === null)
    return refuse("threads: wanted an object of functions.")
  const names = Object.keys(model.threads)
  if (names.length === 0) refuse("threads: wanted at least one.")
  if (names.length > MAX_THREADS) refuse(`threads: at most ${MAX_THREADS} are supported, found ${names.length}.`)
  const definitions = names.map((name) => {
    const thread = model.threads[name]
    if (/[!@?]/.test(name)) refuse(`threads: the name ${JSON.stringify(name)} contains one of ! @ ?`)
    const run = typeof thread === "function" ? thread : thread?.run
    if (typeof run !== "function") return refuse(`threads.${name}: wanted a function, or { run, daemon?, after? }.`)
    if (typeof thread === "object") onlyKnown(`threads.${name}`, thread, knownOfThread)
    const after = typeof thread === "function" ? undefined : thread?.after
    const index = after === undefined ? -1 : names.indexOf(after)
    if (after !== undefined && index < 0) refuse(`threads.${name}.after: there is no thread ${JSON.stringify(after)}.`)
    return {
      name,
      run: run as (state: never) => unknown,
      daemon: typeof thread !== "function" && thread?.daemon === true,
      after: index
    }
  })
  for (const start of definitions) {
    let n = 0
    for (let d: ThreadDefinition | undefined = start; d !== undefined; d = definitions[d.after]) {
      if (n++ > names.length) refuse(`threads.${start.name}.after: the threads wait for each other in a circle.`)
    }
  }
  for (const name of ["invariant", "check"] as const) {
    if (model[name] !== undefined && typeof model[name] !== "function") refuse(`${name}: wanted a function.`)
  }
  return definitions
}

const checkIterations = <A extends { readonly iterations: number; readonly seed: number }>(strategy: A): A => {
  whole("strategy.iterations", strategy.iterations, 1)
  if (!Number.isInteger(strategy.seed)) refuse(`strategy.seed: wanted a whole number, found ${String(strategy.seed)}.`)
  return strategy
}

const checkStrategy = (strategy: Strategy): Strategy => {
  switch (strategy?._tag) {
    case "Dpor":
      return strategy
    case "Chess":
      whole("strategy.preemptions", strategy.preemptions, 0, 0)
      return strategy
    case "Pct":
      whole("strategy.depth", strategy.depth, 1)
      return checkIterations(strategy)
    case "Random":
      return checkIterations(strategy)
    default:
      return refuse(
        `strategy: wanted Strategy.dpor(), .chess({ preemptions }), .pct({ depth, iterations }) or .random({ iterations }), found ${JSON.stringify(strategy)}.`
      )
  }
}

export const strategyOf = (options: ExploreOptions): Strategy => checkStrategy(options.strategy ?? { _tag: "Dpor" })

export const walkerFor = (strategy: Strategy, threads: number, maxSteps: number): Walker => {
  switch (strategy._tag) {
    case "Dpor":
      return new Dpor(threads, maxSteps)
    case "Chess":
      return new Chess(strategy.preemptions)
    case "Pct":
      return new Pct(threads, strategy.depth, strategy.iterations, strategy.seed)
    case "Random":
      return new Random(strategy.iterations, strategy.seed)
  }
}

/** Which threads die before which step, for each round of the search. */
export type CrashPlan = ReadonlyArray<{ readonly thread: number; readonly step: number }>

export const crashThreads = (options: ExploreOptions, names: ReadonlyArray<string>): ReadonlyArray<number> => {
  const threads = options.crash?.threads ?? []
  if (!Array.isArray(threads)) refuse("crash.threads: wanted a list of names.")
  return threads.map((name, i) => {
    const index = names.indexOf(name)
    if (threads.indexOf(name) < i) refuse(`crash.threads: ${name} is named twice.`)
    if (index < 0) refuse(`crash.threads: there is no thread ${JSON.stringify(name)}, only ${names.join(", ")}.`)
    return index
  })
}

/** The one round the caller asked for, if that is what it did. */
export const crashAt = (options: ExploreOptions, names: ReadonlyArray<string>): CrashPlan | undefined =>
  options.crash?.at?.map(({ step, thread }) => {
    const index = names.indexOf(thread)
    if (index < 0) refuse(`crash.at: there is no thread ${JSON.stringify(thread)}, only ${names.join(", ")}.`)
    return { thread: index, step: whole("crash.at.step", step, 0, 0) }
  })

export const limitsOf = (options: ExploreOptions) => ({
  executions: whole("maxExecutions", options.maxExecutions, Infinity),
  seconds: positive("maxSeconds", options.maxSeconds, Infinity, 0),
  requireExhaustive:
    options.requireExhaustive ??
    (strategyOf(options)._tag === "Dpor" && options.maxExecutions === undefined && options.maxSeconds === undefined)
})
