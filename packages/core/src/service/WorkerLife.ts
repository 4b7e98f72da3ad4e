/**
 * The life of a program inside a worker, between the first message of its supervisor and its own last one.
 *
 * It is the life of a service (`Main`), led by a link in place of signals: the program gets a token, a task registry and a
 * plan of its own; `Stop` brings the budget, `Force` ends the patience, and the loss of the link asks it to stop by itself.
 * Requests run as tasks of kind `RpcHandler`, so that they are drained like all others. Fibers, threads and processes use
 * the same code; what differs is only who carries the messages.
 *
 * **Invariants**
 *
 * 1. `Ready` is sent at most once, and once more after each `Reloading` or `Restarting`; `Ended` exactly once and last.
 * 2. Every request gets exactly one reply, unless it was cancelled or the worker is killed.
 * 3. A request that came before `Stop` is answered as if there were none, within the budget.
 * 4. A message that came too early (before the program has a token) is kept, not lost.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Failure from "../internal/failure.ts"
import * as ShutdownPlan from "../shutdown/ShutdownPlan.ts"
import * as ShutdownReason from "../shutdown/ShutdownReason.ts"
import { ShutdownToken } from "../shutdown/ShutdownToken.ts"
import type * as TokenTree from "../shutdown/TokenTree.ts"
import type * as Task from "../tasks/Task.ts"
import * as TaskRegistry from "../tasks/TaskRegistry.ts"
import { MemoryUse } from "../workers/MemoryUse.ts"
import type * as Pulse from "../workers/Pulse.ts"
import * as WorkerContext from "../workers/WorkerContext.ts"
import type * as WorkerExit from "../workers/WorkerExit.ts"
import * as WorkerMessage from "../workers/WorkerMessage.ts"
import { WorkerRegions, type Regions } from "../workers/WorkerRegions.ts"
import type { Handler } from "../workers/WorkerRequest.ts"
import { type Shape as StatusShape, WorkerStatus } from "../workers/WorkerStatus.ts"
import { answer, died, exitOf, type Reply, unsendable } from "./internal/endings.ts"
import * as Lifecycle from "./Lifecycle.ts"
import * as Main from "./Main.ts"
import type { WorkerProgram } from "./WorkerProgram.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly context: WorkerContext.Facts
  readonly regions: Regions
  /** Where it shows that it lives; by messages where there is none. */
  readonly pulse?: Pulse.Writer | undefined
  /** Carries an encoded message to the supervisor. Must not throw. */
  readonly send: (wire: unknown) => void
}

/**
 * One life. `receive` and `linkLost` are for plain callbacks and may come at any time.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerLife {
  /** An encoded `WorkerMessage.ToWorker`. */
  readonly receive: (wire: unknown) => void
  /** The supervisor is gone: asks the program to stop, with the reason `ParentGone`. */
  readonly linkLost: () => void
  /** Lets go now. */
  readonly force: () => void
  /** Runs the program to its end and has sent `Ended` when it returns. Run it once. */
  readonly run: Effect.Effect<WorkerExit.WorkerExit>
}

type Request = Extract<WorkerMessage.ToWorker, { readonly _tag: "Request" }>

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (program: WorkerProgram, options: Options): WorkerLife => {
  const life = new Life(program, options)
  return {
    receive: (wire) => life.receive(wire),
    linkLost: () => life.ask(ShutdownReason.ParentGone()),
    force: () => life.forceNow(),
    run: life.run
  }
}

const ADMISSION_MILLIS = 250

const nowMillis = (context: Context.Context<never>): number =>
  Number(Context.get(context, Clock.Clock).monotonicTimeNanosUnsafe()) / 1e6

class Life {
  private readonly program: WorkerProgram
  private readonly options: Options
  private token: TokenTree.Token | undefined = undefined
  private asked: ShutdownReason.ShutdownReason | undefined = undefined
  private forced = false
  /** The budget that came with `Stop`. */
  private given: Duration.Duration | undefined = undefined
  /** The one of a stop that nobody else asked for. */
  private own: Duration.Duration = Duration.zero
  private services: Context.Context<any> | undefined = undefined
  private readonly early: Array<Request> = []
  private readonly handling = new Map<number, Task.Task<unknown, unknown> | "starting" | "cancelled">()
  /** A stop that waits until what came before it has become tasks. */
  private admission: (() => void) | undefined = undefined
  private isReady = false
  /** It has said that it reloads or restarts, and not yet that it is ready again. */
  private isBusy = false
  private over = false
  /** The surroundings of `run`. */
  private context: Context.Context<never> | undefined = undefined
  private everyMillis: number | undefined = undefined
  /** When its stop is to be over, in monotonic milliseconds. */
  private stopBy = Infinity
  private hurrying: Fiber.Fiber<unknown> | undefined = undefined
  private beating: Fiber.Fiber<unknown> | undefined = undefined

  constructor(program: WorkerProgram, options: Options) {
    this.program = program
    this.options = options
  }

  private send(message: WorkerMessage.FromWorker): void {
    if (!this.over) this.options.send(WorkerMessage.encodeFromWorker(message))
  }

  // ---------------------------------------------------------------------------
  // From the supervisor
  // ---------------------------------------------------------------------------

  receive(wire: unknown): void {
    const message = WorkerMessage.readToWorker(wire)
    if (message instanceof WorkerMessage.InvalidMessage) {
      return this.send({ _tag: "Problem", message: message.message })
    }
    switch (message._tag) {
      case "Start":
        return
      case "Stop":
        return this.stop(Math.max(0, message.budgetMillis), message.reason)
      case "Force":
        return this.forceNow()
      case "Request":
        return this.services === undefined ? void this.early.push(message) : this.handle(message, this.services)
      case "Beat":
        return this.beat(message.everyMillis)
      case "Cancel":
        return this.cancel(message.id)
    }
  }

  /** From now on, or from the start of the program on. One that is blocked cannot: that is what it is for. */
  private beat(everyMillis: number): void {
    this.everyMillis = everyMillis
    if (this.context === undefined || this.beating !== undefined) return
    const measure = Context.get(this.context, MemoryUse)
    const beat = Effect.sync(() => this.sayAlive(measure()))
    this.beating = Effect.runForkWith(this.context)(
      Effect.forever(Effect.andThen(Effect.sleep(Math.max(1, everyMillis)), beat))
    )
  }

  private sayAlive(memoryBytes: number | undefined): void {
    const { pulse } = this.options
    if (pulse !== undefined) return pulse.beatUnsafe(memoryBytes)
    this.send(memoryBytes === undefined ? { _tag: "Healthy" } : { _tag: "Healthy", memoryBytes })
  }

  private sayProgress(): void {
    const { pulse } = this.options
    if (pulse !== undefined) pulse.progressUnsafe()
    else this.send({ _tag: "Healthy", progress: true })
  }

  ask(reason: ShutdownReason.ShutdownReason): void {
    this.asked ??= reason
    this.token?.requestUnsafe(reason)
  }

  forceNow(): void {
    this.forced = true
    this.token?.forceUnsafe(this.asked ?? ShutdownReason.Requested({ by: "the supervisor" }))
  }

  private stop(budgetMillis: number, reason: string): void {
    if (this.token?.requestedUnsafe() !== undefined) return this.hurry(budgetMillis)
    const planned = this.given === undefined ? Infinity : Duration.toMillis(this.given)
    this.given = Duration.millis(Math.min(planned, budgetMillis))
    this.onceAdmitted(() => this.ask(ShutdownReason.Requested({ by: reason })))
  }

  /** It stops already. With less time than it planned with: half of that for what it does, the rest to let go. */
  private hurry(budgetMillis: number): void {
    const { context } = this
    if (context === undefined) return
    const by = nowMillis(context) + budgetMillis
    if (by >= this.stopBy) return
    this.stopBy = by
    const letGo = Effect.sync(() => this.forceNow())
    this.hurrying?.interruptUnsafe()
    this.hurrying = Effect.runForkWith(context)(Effect.andThen(Effect.sleep(budgetMillis / 2), letGo))
  }

  private adopt(token: TokenTree.Token): void {
    this.token = token
    if (this.asked !== undefined) token.requestUnsafe(this.asked)
    if (this.forced) this.forceNow()
  }

  /** Whoever asks it to stop, its supervisor hears of it, so that nobody asks it for anything more. */
  private readonly preStart = ShutdownToken.use((token) =>
    Effect.andThen(
      Effect.forkDetach(
        Effect.map(token.awaitRequested, () => {
          const budgetMillis = Duration.toMillis(this.given ?? this.own)
          this.stopBy = nowMillis(this.context!) + budgetMillis
          this.send({ _tag: "Stopping", budgetMillis })
        }),
        { startImmediately: true }
      ),
      Effect.sync(() => this.adopt(token))
    )
  )

  // ---------------------------------------------------------------------------
  // Requests
  // ---------------------------------------------------------------------------

  private reply(id: number, result: Reply): void {
    this.handling.delete(id)
    try {
      this.send({ _tag: "Reply", id, result })
    } catch (error) {
      // What a wide schema allows need not be something that travels.
      this.send({ _tag: "Reply", id, result: unsendable(error) })
    }
  }

  private handle(request: Request, services: Context.Context<any>): void {
    const handler = this.program.handlers.get(request.tag)
    if (handler === undefined) {
      const known = Array.from(this.program.handlers.keys())
      const detail = known.length === 0 ? "it answers no requests" : `it answers ${known.join(", ")}`
      return this.reply(request.id, { _tag: "Refused", reason: "unknown request", detail })
    }
    this.handling.set(request.id, "starting")
    const serving = this.serve(handler, request) as Effect.Effect<void>
    Effect.runForkWith(services)(Effect.ensuring(serving, this.admitted))
  }

  private get isAdmitting(): boolean {
    return Array.from(this.handling.values()).some((state) => typeof state === "string")
  }

  /** A request that came before the stop becomes a task before the stop begins: a stop waits for tasks only. */
  private onceAdmitted(stop: () => void): void {
    if (!this.isAdmitting || this.context === undefined) return stop()
    this.admission = stop
    // A payload whose schema takes its time does not hold up the stop for long.
    Effect.runForkWith(this.context)(Effect.andThen(Effect.sleep(ADMISSION_MILLIS), this.admit))
  }

  private readonly admit = Effect.sync(() => {
    const { admission } = this
    this.admission = undefined
    admission?.()
  })

  private readonly admitted = Effect.suspend(() => (this.isAdmitting ? Effect.void : this.admit))

  private serve(handler: Handler<any>, request: Request): Effect.Effect<void, never, any> {
    const { id } = request
    return Effect.gen({ self: this }, function* () {
      const payload = yield* Effect.exit(Schema.decodeUnknownEffect(handler.request.payload)(request.payload))
      if (Exit.isFailure(payload)) {
        const detail = Failure.oneLine(payload.cause)
        return this.reply(id, { _tag: "Refused", reason: "invalid payload", detail })
      }
      const work = Effect.scoped(Effect.suspend(() => handler.run(payload.value))).pipe(
        Effect.exit,
        Effect.flatMap((exit) => answer(handler, exit)),
        // An interruption from outside skips the line above.
        Effect.onExit((exit) => Effect.sync(() => this.reply(id, Exit.isSuccess(exit) ? exit.value : died(exit.cause))))
      )
      const spawned = yield* Effect.exit(
        TaskRegistry.spawn(work, { name: request.tag, kind: "RpcHandler", startImmediately: true })
      )
      if (Exit.isFailure(spawned)) {
        const detail = Failure.oneLine(spawned.cause)
        return this.reply(id, { _tag: "Refused", reason: "stopping", detail })
      }
      const state = this.handling.get(id)
      if (state === "cancelled") spawned.value.abortUnsafe()
      else if (state !== undefined) this.handling.set(id, spawned.value)
      if (state !== undefined) this.answerFor(id, spawned.value)
    })
  }

  /** What is no effect (a promise, say) ends a fiber on the spot, past everything that was to run at its end. */
  private answerFor(id: number, task: Task.Task<unknown, unknown>): void {
    const ended = Effect.map(task.await, (exit) => {
      if (this.handling.has(id) && Exit.isFailure(exit)) this.reply(id, died(exit.cause))
    })
    Effect.runForkWith(this.services!)(ended)
  }

  private cancel(id: number): void {
    const early = this.early.findIndex((request) => request.id === id)
    if (early !== -1) this.early.splice(early, 1)
    const state = this.handling.get(id)
    if (state === "starting") this.handling.set(id, "cancelled")
    else if (typeof state === "object") state.abortUnsafe()
  }

  // ---------------------------------------------------------------------------
  // The life
  // ---------------------------------------------------------------------------

  private readonly sayReady = Effect.sync(() => {
    if (this.isReady && !this.isBusy) return
    this.isReady = true
    this.isBusy = false
    this.send({ _tag: "Ready" })
  })

  private sayBusy(_tag: "Reloading" | "Restarting"): Effect.Effect<void> {
    return Effect.sync(() => {
      this.isBusy = this.isReady
      this.send({ _tag })
    })
  }

  private readonly status: StatusShape = {
    ready: this.sayReady,
    healthy: Effect.suspend(() => {
      this.sayProgress()
      return this.isBusy ? this.sayReady : Effect.void
    }),
    text: (text) => Effect.sync(() => this.send({ _tag: "StatusText", text })),
    problem: (message) => Effect.sync(() => this.send({ _tag: "Problem", message })),
    reloading: this.sayBusy("Reloading"),
    restarting: this.sayBusy("Restarting")
  }

  private readonly onStart = Effect.gen({ self: this }, function* () {
    const services = yield* Effect.context<any>()
    this.services = services
    // Who asks from now on is refused: the spawn answers `RegistryClosed`.
    if (this.program.handlers.size > 0) yield* Lifecycle.onStopAccepting("requests", Effect.void)
    for (const request of this.early.splice(0)) this.handle(request, services)
    if (this.program.ready === "built") yield* this.sayReady
  })

  readonly run: Effect.Effect<WorkerExit.WorkerExit> = Effect.suspend(() => {
    const { context, regions } = this.options
    const main = Main.run(this.program.layer, {
      name: context.name,
      preStart: this.preStart,
      onStart: this.onStart as Effect.Effect<void>,
      run: this.program.main,
      budgetGiven: () => this.given
    })
    const life = Effect.andThen(Effect.andThen(this.readContext, this.readBudget), main).pipe(
      Effect.provideService(WorkerContext.WorkerContext, WorkerContext.fromFacts(context)),
      Effect.provideService(WorkerStatus, this.status),
      Effect.provideService(WorkerRegions, regions),
      Effect.exit,
      Effect.map((exit) => exitOf(exit))
    )
    return Effect.tap(life as Effect.Effect<WorkerExit.WorkerExit>, (exit) => Effect.sync(() => this.end(exit)))
  })

  private readonly readContext = Effect.map(Effect.context<never>(), (context) => {
    this.context = context
    if (this.everyMillis !== undefined) this.beat(this.everyMillis)
  })

  private readonly readBudget = Effect.map(ShutdownPlan.make(), ({ budgetNanos }) => {
    this.own = Duration.nanos(budgetNanos)
  })

  private end(exit: WorkerExit.WorkerExit): void {
    for (const { id } of this.early.splice(0)) {
      this.reply(id, { _tag: "Refused", reason: "stopping", detail: "the program never became ready" })
    }
    this.beating?.interruptUnsafe()
    this.hurrying?.interruptUnsafe()
    this.send({ _tag: "Ended", exit })
    this.over = true
  }
}
