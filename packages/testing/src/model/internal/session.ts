/**
 * One exploration from beginning to end: rehearse, search, shrink what failed,
 * and run it once more to tell its story.
 *
 * @internal
 */
import type { Call, ExecutionInfo, ExploreOptions, Model, Report, Setup, Threads } from "../Model.ts"
import { ModelError } from "../ModelError.ts"
import { Audit } from "./audit.ts"
import { Engine } from "./engine.ts"
import { type Problem, textOf } from "./execution.ts"
import { labelView } from "./memory.ts"
import { native } from "./natives.ts"
import { CALL, CHOOSE, CRASH, NOTHING, RETURN } from "./op.ts"
import { parse, print, type Schedule } from "./schedule.ts"
import {
  crashAt,
  checkOptions,
  crashThreads,
  type CrashPlan,
  definitionsOf,
  limitsOf,
  settingsOf,
  strategyOf,
  walkerFor
} from "./settings.ts"
import { type Run, shrink } from "./shrink.ts"
import { Trace } from "./trace.ts"
import type { Walker } from "./walker.ts"
import { Replay, RoundRobin } from "./walks.ts"

/** What each thread does in one execution, for real threads to do again. */
export interface Script {
  readonly path: ReadonlyArray<number>
  readonly choices: ReadonlyArray<ReadonlyArray<number>>
  readonly deaths: ReadonlyArray<number>
  readonly crashed: ReadonlyArray<string>
}

interface Found {
  readonly problem: Problem
  readonly path: ReadonlyArray<number>
  readonly choices: ReadonlyArray<number>
  readonly plan: CrashPlan
}

export class Session<S> {
  readonly engine: Engine
  readonly #model: Model<S, Threads<S>>
  readonly #options: ExploreOptions
  readonly #names: ReadonlyArray<string>
  readonly #crashThreads: ReadonlyArray<number>
  readonly #limits: ReturnType<typeof limitsOf>
  readonly #replay: Schedule | undefined
  #executions = 0
  #pruned = 0
  #transitions = 0
  #longest = 0
  #started = native.performanceNow()
  #limited = false
  #exhaustive = true
  #strategyName = ""
  /** Threads that died in some execution of the current round. */
  #died = 0

  constructor(model: Model<S, Threads<S>>, given: ExploreOptions) {
    const definitions = definitionsOf(model)
    checkOptions(model.options)
    checkOptions(given)
    const options = { ...model.options, ...given }
    this.#model = model
    this.#options = options
    this.#names = definitions.map((definition) => definition.name)
    this.#limits = limitsOf(options)
    this.#crashThreads = crashThreads(options, this.#names)
    this.#replay = options.replay === undefined ? undefined : parse(options.replay, this.#names)
    const settings = settingsOf(options)
    this.engine = new Engine(
      definitions,
      settings,
      walkerFor(strategyOf(options), definitions.length, settings.maxSteps)
    )
  }

  /** Note what the next execution does, without the steps that are nobody's operation; ask afterwards. */
  record(): () => Script {
    const e = this.engine
    const path: Array<number> = []
    const choices: Array<Array<number>> = this.#names.map(() => [])
    const deaths = this.#names.map(() => -1)
    const taken = this.#names.map(() => 0)
    let first = true
    e.recorder = {
      begin: () => {
        // The failing execution is run once more for its trace.
        if (!first) e.recorder = undefined
        first = false
      },
      step: (thread, kind) => {
        if (kind === CHOOSE) choices[thread]?.push(e.choices.at(-1) ?? 0)
        if (kind === NOTHING || kind === CALL || kind === RETURN || kind === CHOOSE) return
        if (kind === CRASH) deaths[thread] = taken[thread] ?? 0
        taken[thread] = (taken[thread] ?? 0) + 1
        path.push(thread)
      }
    }
    return () => ({ path, choices, deaths, crashed: this.#names.filter((_, t) => (deaths[t] ?? -1) >= 0) })
  }

  /** The whole exploration; yields only where an execution has to be awaited. */
  *run(): Generator<Promise<void>, Report> {
    this.#started = native.performanceNow()
    this.#strategyName = this.engine.walker.name
    if (this.#replay !== undefined) return yield* this.#replayOnly(this.#replay)
    const broken = yield* this.#rehearse()
    if (broken !== undefined) return yield* this.#failed(broken)
    const found = yield* this.#searchAll()
    if (found !== undefined) return yield* this.#failed(yield* this.#shrink(found))
    if (this.#exhaustive && !this.#limited) return { ...this.#base(), _tag: "Exhausted" }
    if (this.#limits.requireExhaustive) return this.#notExhausted()
    return { ...this.#base(), _tag: "Sampled" }
  }

  #notExhausted(): Report {
    const why = this.#exhaustive
      ? "a limit ended the search"
      : `the strategy "${this.#strategyName}" never sees everything`
    const message = `the search saw ${this.#executions} executions and not all: ${why}`
    return { ...this.#base(), _tag: "Failed", failure: { kind: "not-exhausted", message, schedule: "", trace: "" } }
  }

  #base() {
    return {
      strategy: this.#strategyName,
      threads: this.#names.length,
      executions: this.#executions,
      pruned: this.#pruned,
      transitions: this.#transitions,
      longest: this.#longest,
      seconds: (native.performanceNow() - this.#started) / 1000
    }
  }

  // ---- executions

  #setUp(): S {
    const setup: Setup = { label: (view, name) => labelView(view, name) }
    try {
      return atOnce("setup", this.#model.setup(setup))
    } catch (error) {
      if (error instanceof ModelError) throw error
      throw new ModelError({ reason: "setup", message: `setup threw: ${textOf(error)}`, cause: error })
    }
  }

  /** One execution under the engine's walker, with these deaths. */
  *#execute(plan: CrashPlan): Run<void> {
    const e = this.engine
    e.begin()
    e.crashAt.fill(-1)
    for (const crash of plan) e.crashAt[crash.thread] = crash.step
    e.inModel = true
    try {
      const state = this.#setUp()
      e.state = state
      const invariant = this.#model.invariant
      e.invariant = invariant === undefined ? undefined : () => refuted("invariant", invariant(state))
      if (invariant !== undefined) e.look()
      e.audit?.begin(e.memory.regions)
      if (e.problem === undefined) {
        if (e.host === undefined) e.run()
        else yield e.host.run()
      }
      e.audit?.compare(e, true)
      if (e.problem === undefined && !e.pruned) this.#check(state)
    } finally {
      e.inModel = false
    }
    if (e.fatal !== undefined) throw e.fatal
  }

  #check(state: S): void {
    const e = this.engine
    const check = this.#model.check
    if (check === undefined) return
    const results: Record<string, unknown> = {}
    for (let t = 0; t < this.#names.length; t++) results[this.#names[t] as string] = e.results[t]
    const info: ExecutionInfo = {
      steps: e.step,
      crashed: this.#names.filter((_, t) => ((e.dead >> t) & 1) === 1),
      history: e.history.map((record): Call => ({ ...record, thread: this.#names[record.thread] ?? "" }))
    }
    try {
      refuted("check", check(state, results as never, info))
    } catch (error) {
      if (error instanceof ModelError) e.fatal = error
      e.fail("check", error instanceof Error ? error.message : textOf(error), -1, error)
    }
  }

  *#with(walker: Walker, plan: CrashPlan): Run<void> {
    const before = this.engine.walker
    this.engine.walker = walker
    try {
      yield* this.#execute(plan)
    } finally {
      this.engine.walker = before
    }
  }

  /** The same order twice, once unwinding at every switch: a body that cannot be run again shows itself. */
  *#rehearse(): Run<Found | undefined> {
    const e = this.engine
    const plan = crashAt(this.#options, this.#names) ?? []
    const look = () => ({ path: [...e.path], choices: [...e.choices], signatures: e.signatures.map((own) => [...own]) })
    e.audit = new Audit()
    try {
      yield* this.#with(new RoundRobin(), plan)
    } finally {
      e.audit = undefined
    }
    if (e.problem !== undefined && e.problem.kind !== "nondeterminism") return undefined
    const first = look()
    if (e.problem === undefined) {
      e.naive = true
      try {
        yield* this.#with(new Replay(first.path, first.choices, true), plan)
      } finally {
        e.naive = false
      }
    }
    const second = look()
    let problem: Problem | undefined = e.problem
    for (let t = 0; t < first.signatures.length && problem === undefined; t++) {
      const a = first.signatures[t] as ReadonlyArray<number>
      const b = second.signatures[t] as ReadonlyArray<number>
      const at = a.findIndex((signature, i) => signature !== b[i])
      if (at < 0 && a.length === b.length) continue
      const message = `${this.#names[t]} did something else when it was run again in the same order (operation ${at + 1})`
      problem = { kind: "nondeterminism", message, thread: t }
    }
    if (problem === undefined) return undefined
    if (problem.kind !== "nondeterminism") return undefined
    const advice = "a body may change only its own variables and shared memory, and attaches its objects inside itself"
    return {
      problem: { ...problem, message: `${problem.message}: ${advice}` },
      path: first.path,
      choices: first.choices,
      plan: []
    }
  }

  // ---- the search

  *#searchAll(): Run<Found | undefined> {
    const at = crashAt(this.#options, this.#names)
    if (at !== undefined) return yield* this.#search(at)
    const found = yield* this.#search([])
    if (found !== undefined || this.#limited) return found
    for (const thread of this.#crashThreads) {
      for (let step = 0; ; step++) {
        const failed = yield* this.#search([{ thread, step }])
        if (failed !== undefined || this.#limited) return failed
        if (((this.#died >> thread) & 1) === 0) break
      }
    }
    return this.#options.crash?.together === true ? yield* this.#searchPairs() : undefined
  }

  *#searchPairs(): Run<Found | undefined> {
    const threads = this.#crashThreads
    for (let i = 0; i < threads.length; i++) {
      for (let j = i + 1; j < threads.length; j++) {
        const a = threads[i] as number
        const b = threads[j] as number
        for (let first = 0, reached = true; reached; first++) {
          reached = false
          for (let second = 0; ; second++) {
            const failed = yield* this.#search([
              { thread: a, step: first },
              { thread: b, step: second }
            ])
            if (failed !== undefined || this.#limited) return failed
            if (((this.#died >> a) & 1) === 1) reached = true
            if (((this.#died >> b) & 1) === 0) break
          }
        }
      }
    }
    return undefined
  }

  *#search(plan: CrashPlan): Run<Found | undefined> {
    const e = this.engine
    const fresh = () => walkerFor(strategyOf(this.#options), this.#names.length, e.settings.maxSteps)
    e.walker = fresh()
    if (!e.walker.exhaustive) this.#exhaustive = false
    this.#died = 0
    e.visibleGrew = false
    for (;;) {
      yield* this.#execute(plan)
      this.#count()
      if (e.problem !== undefined) return { problem: e.problem, path: [...e.path], choices: [...e.choices], plan }
      // What the invariant looks at decides what is dependent: begin again when that turns out to be more.
      if (e.visibleGrew && e.walker.exhaustive) {
        e.visibleGrew = false
        e.walker = fresh()
      } else if (!e.walker.next(e.step)) return undefined
      if (this.#atLimit()) {
        this.#limited = true
        return undefined
      }
    }
  }

  #count(): void {
    const e = this.engine
    if (e.pruned) this.#pruned++
    else this.#executions++
    this.#transitions += e.step
    if (e.step > this.#longest) this.#longest = e.step
    this.#died |= e.dead
  }

  #atLimit(): boolean {
    if (this.#executions >= this.#limits.executions) return true
    if (this.#limits.seconds === Infinity || ((this.#executions + this.#pruned) & 63) !== 0) return false
    return native.performanceNow() - this.#started >= this.#limits.seconds * 1000
  }

  // ---- failures

  *#shrink(found: Found): Run<Found> {
    if (found.problem.kind === "nondeterminism" || found.problem.kind === "step-limit") return found
    const e = this.engine
    const replay = function* (this: Session<S>, path: ReadonlyArray<number>, choices: ReadonlyArray<number>) {
      yield* this.#with(new Replay(path, choices, false), found.plan)
      if (e.problem === undefined || e.problem.kind !== found.problem.kind) return undefined
      return { problem: e.problem, path: [...e.path], choices: [...e.choices], plan: found.plan }
    }.bind(this)
    return yield* shrink(found, replay)
  }

  *#failed(found: Found): Run<Report> {
    const e = this.engine
    const { path, choices, plan } = found
    const crashes = plan.map((crash) => ({ thread: this.#names[crash.thread] ?? "", step: crash.step }))
    const trace = new Trace(this.#names)
    e.trace = trace
    try {
      yield* this.#with(new Replay(path, choices, false), plan)
    } finally {
      e.trace = undefined
    }
    const problem = found.problem.kind === e.problem?.kind ? e.problem : found.problem
    const text = trace.print(`${problem.kind}: ${problem.message}`)
    return {
      ...this.#base(),
      _tag: "Failed",
      failure: {
        kind: problem.kind,
        message: problem.message,
        schedule: print({ path, choices, crashes }),
        trace: text,
        ...(problem.error === undefined ? {} : { error: problem.error })
      }
    }
  }

  *#replayOnly(schedule: Schedule): Run<Report> {
    const e = this.engine
    this.#strategyName = "replay"
    const plan = schedule.crashes.map((crash) => ({ thread: this.#names.indexOf(crash.thread), step: crash.step }))
    yield* this.#with(new Replay(schedule.path, schedule.choices, true), plan)
    this.#count()
    if (e.problem === undefined) return { ...this.#base(), _tag: "Sampled" }
    return yield* this.#failed({ problem: e.problem, path: [...e.path], choices: [...e.choices], plan })
  }
}

/** What is to be looked at now cannot come later: a promise would count as agreement, whatever it says in the end. */
const atOnce = <A>(what: string, answer: A): A => {
  if (!(answer instanceof Promise)) return answer
  answer.catch(() => undefined)
  throw new ModelError({ reason: "misuse", message: `${what} returned a promise: it may not be async.` })
}

const refuted = (what: string, answer: unknown): void => {
  if (atOnce(what, answer) === false) throw new Error(`the ${what} answered false`)
}
