/**
 * Workers as fibers: the same programs, the same messages, no isolation. The backend of tests, and of services that want a
 * container's order without its price.
 *
 * Messages take a turn of the scheduler each way and are encoded, as over a real link, so that what depends on their order is
 * found here. What a fiber cannot be is killed: `kill` forces and interrupts, and a program that does not end within 250 ms
 * (an uninterruptible loop) is reported as gone and counted as abandoned, because it may still run.
 *
 * **Invariants**: those of `Backend`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Backend from "../workers/Backend.ts"
import { StartFailed } from "../workers/ContainerError.ts"
import * as Pulse from "../workers/Pulse.ts"
import type { Facts } from "../workers/WorkerContext.ts"
import * as WorkerExit from "../workers/WorkerExit.ts"
import * as Guard from "./Guard.ts"
import * as Signals from "./Signals.ts"
import * as WorkerLife from "./WorkerLife.ts"
import * as WorkerProgram from "./WorkerProgram.ts"

/** How long a killed program may take to end before it counts as abandoned. */
const ABANDON_MILLIS = 250

/**
 * One worker, for tests that want to hurt it.
 *
 * @category models
 * @since 0.1.0
 */
export interface FiberLife {
  readonly facts: Facts
  readonly isGone: () => boolean
  /** Ends it now, as if the platform had: nothing it would still say is heard. */
  readonly crash: (exit: WorkerExit.WorkerExit) => void
  /** Sends something as if the worker had. */
  readonly say: (wire: unknown) => void
  /** From now on nothing reaches it and nothing of it is heard, as if its event loop were blocked; until it is thawed. */
  readonly freeze: () => void
  readonly thaw: () => void
}

/**
 * What may be watched, and hurt, from outside.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly started?: ((life: FiberLife) => void) | undefined
  /** A program was killed and did not end. */
  readonly abandoned?: ((facts: Facts) => void) | undefined
}

/**
 * Makes the backend.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Backend.Shape => ({
  name: "fiber",
  kind: "fiber",
  check: ({ program }) => Effect.asVoid(load(program)),
  start: (request, listener) =>
    Effect.flatMap(load(request.program), (program) =>
      Effect.map(
        Effect.acquireRelease(
          Effect.gen(function* () {
            const fork = Effect.runForkWith(yield* Effect.context<never>())
            // Made here, so that they wake their takers through the scheduler of who uses them.
            const queues = { inbox: yield* Queue.unbounded<unknown>(), outbox: yield* Queue.unbounded<unknown>() }
            const worker = new FiberWorker(program, request, listener, options ?? {}, { ...queues, fork })
            worker.begin()
            return worker
          }),
          (worker) => worker.dispose
        ),
        (worker) => worker.link
      )
    )
})

/**
 * Containers made below have fibers as workers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Backend.Backend> = Layer.sync(Backend.Backend, () => make())

// -----------------------------------------------------------------------------
// Programs
// -----------------------------------------------------------------------------

const load = (ref: Backend.ProgramRef): Effect.Effect<WorkerProgram.WorkerProgram, StartFailed> =>
  ref._tag === "Direct"
    ? programOf(ref.program, "an Effect, a Layer or a WorkerProgram")
    : Effect.flatMap(importModule(ref.url), (module) =>
        Object.hasOwn(module, ref.exportName)
          ? programOf(
              module[ref.exportName],
              `${ref.exportName} of ${ref.url} to be an Effect, a Layer or a WorkerProgram`
            )
          : Effect.fail(
              new StartFailed({
                reason: "ExportMissing",
                wanted: `an export ${ref.exportName} of ${ref.url}`,
                found: Object.keys(module).join(", ") || "no exports"
              })
            )
      )

const programOf = (exported: unknown, wanted: string): Effect.Effect<WorkerProgram.WorkerProgram, StartFailed> =>
  Option.match(WorkerProgram.fromExport(exported), {
    onSome: Effect.succeed,
    onNone: () =>
      Effect.fail(new StartFailed({ reason: "NotAProgram", wanted, found: WorkerProgram.describeExport(exported) }))
  })

const importModule = (url: string): Effect.Effect<Readonly<Record<string, unknown>>, StartFailed> =>
  Effect.tryPromise({
    try: () => import(url) as Promise<Record<string, unknown>>,
    catch: (error) => {
      const row = WorkerExit.errorRow("Die", error)
      const isUnknown =
        typeof error === "object" && error !== null && "code" in error && error.code === "ERR_MODULE_NOT_FOUND"
      const reason = isUnknown ? "ModuleUnknown" : "ModuleBroken"
      return new StartFailed({ reason, wanted: `a module at ${url}`, found: `${row.name}: ${row.message}` })
    }
  })

// -----------------------------------------------------------------------------
// One worker
// -----------------------------------------------------------------------------

/** The process's signals and its guard are the main program's, not a worker's; and who is gone logs nothing. */
const alone = <A, E, R>(life: Effect.Effect<A, E, R>, isGone: () => boolean): Effect.Effect<A, E, R> =>
  Effect.flatMap(Logger.CurrentLoggers, (loggers) =>
    life.pipe(
      Effect.provideService(Signals.Signals, { take: Effect.never }),
      Effect.provideService(Guard.Guard, { update: () => undefined }),
      Effect.provideService(
        Logger.CurrentLoggers,
        new Set(Array.from(loggers, (logger) => Logger.make((line) => (isGone() ? undefined : logger.log(line)))))
      )
    )
  )

const seenOf = (exit: Exit.Exit<unknown, unknown>): WorkerExit.WorkerExit =>
  Exit.isSuccess(exit)
    ? { _tag: "Exited", exitCode: 0 }
    : { _tag: "Failed", exitCode: 1, errors: WorkerExit.errorRows(exit.cause) }

class FiberWorker {
  readonly link: Backend.Link
  private readonly life: WorkerLife.WorkerLife
  private readonly listener: Backend.Listener
  private readonly options: Options
  private readonly facts: Facts
  private readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** What is on its way, in both directions. */
  private readonly inbox: Queue.Queue<unknown>
  private readonly outbox: Queue.Queue<unknown>
  private pumps: ReadonlyArray<Fiber.Fiber<unknown, unknown>> = []
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** What it has said and nobody has heard yet; what was taken from the queue and not handed on is in neither. */
  private undelivered = 0
  private isGone = false
  private isKilled = false
  /** Closed while the worker is frozen. */
  private readonly flowing = Latch.makeUnsafe(true)

  constructor(
    program: WorkerProgram.WorkerProgram,
    request: Backend.StartRequest,
    listener: Backend.Listener,
    options: Options,
    ways: {
      readonly inbox: Queue.Queue<unknown>
      readonly outbox: Queue.Queue<unknown>
      readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
    }
  ) {
    this.listener = listener
    this.options = options
    this.facts = request.context
    this.fork = ways.fork
    this.inbox = ways.inbox
    this.outbox = ways.outbox
    // Who is killed says nothing more, also not what its interruption makes it say.
    const send = (wire: unknown): void => (this.isKilled ? undefined : this.offer(wire))
    const { context, isJudged, regions } = request
    const pulse = isJudged ? Pulse.make(context.generation) : undefined
    this.life = WorkerLife.make(program, { context, regions, pulse: pulse && this.pulseOf(pulse), send })
    this.link = {
      send: (wire) => !this.isGone && Queue.offerUnsafe(this.inbox, wire),
      kill: () => this.kill(),
      place: "fiber",
      pulse
    }
  }

  /** A loop that is blocked does not beat. */
  private pulseOf(line: Pulse.Line): Pulse.Writer | undefined {
    const pulse = Pulse.adopt(line)
    const isFrozen = (): boolean => !this.flowing.isOpen()
    return (
      pulse && {
        beatUnsafe: (memoryBytes) => (isFrozen() ? undefined : pulse.beatUnsafe(memoryBytes)),
        progressUnsafe: () => (isFrozen() ? undefined : pulse.progressUnsafe())
      }
    )
  }

  begin(): void {
    const pump = (queue: Queue.Queue<unknown>, deliver: (wire: unknown) => void) =>
      this.fork(
        Effect.forever(Effect.flatMap(Queue.take(queue), (wire) => Effect.map(this.flowing.await, () => deliver(wire))))
      )
    this.pumps = [
      pump(this.inbox, (wire) => this.life.receive(wire)),
      pump(this.outbox, (wire) => {
        this.undelivered -= 1
        this.listener.message(wire)
      })
    ]
    this.options.started?.({
      facts: this.facts,
      isGone: () => this.isGone,
      crash: (exit) => this.crash(exit),
      say: (wire) => (this.isGone ? undefined : this.offer(wire)),
      freeze: () => void this.flowing.closeUnsafe(),
      thaw: () => void this.flowing.openUnsafe()
    })
    this.fiber = this.fork(
      Effect.andThen(
        Effect.yieldNow,
        alone(this.life.run, () => this.isGone)
      )
    )
    this.fiber.addObserver((exit) => this.ended(exit))
  }

  private offer(wire: unknown): void {
    this.undelivered += 1
    Queue.offerUnsafe(this.outbox, wire)
  }

  /** Its last word, and all before it, are delivered first. */
  private ended(exit: Exit.Exit<unknown, unknown>): void {
    if (this.isGone) return
    const seen = seenOf(exit)
    const empty = Effect.suspend(() =>
      // A crash meanwhile: nobody takes the rest any more.
      this.undelivered === 0 || this.isGone ? Effect.void : Effect.fail("more" as const)
    )
    if (this.isKilled) return this.gone(seen)
    const drained = Effect.eventually(Effect.andThen(this.flowing.await, Effect.andThen(Effect.yieldNow, empty)))
    this.fork(Effect.map(drained, () => this.gone(seen)))
  }

  private gone(exit: WorkerExit.WorkerExit): void {
    if (this.isGone) return
    this.isGone = true
    for (const pump of this.pumps) pump.interruptUnsafe()
    // Whoever still waits for a frozen one to be thawed.
    this.flowing.openUnsafe()
    this.listener.exited(exit)
  }

  private crash(exit: WorkerExit.WorkerExit): void {
    this.gone(exit)
    this.life.force()
    this.fiber?.interruptUnsafe()
  }

  private kill(): void {
    if (this.isGone || this.isKilled) return
    this.isKilled = true
    // It has ended, frozen before its last word was heard: nothing is left that could be abandoned.
    const ended = this.fiber?.pollUnsafe()
    if (ended !== undefined) return this.gone(seenOf(ended))
    this.life.force()
    this.fiber?.interruptUnsafe()
    const late = Effect.sync(() => {
      if (this.isGone) return
      this.options.abandoned?.(this.facts)
      this.gone({ _tag: "Killed", reason: "scope closed" })
    })
    this.fork(Effect.andThen(Effect.sleep(ABANDON_MILLIS), late))
  }

  readonly dispose = Effect.suspend(() => {
    if (this.isGone) return Effect.void
    this.kill()
    return Effect.callback<void>((resume) => {
      this.fork(Effect.map(Effect.sleep(ABANDON_MILLIS), () => resume(Effect.void)))
      this.fiber?.addObserver(() => resume(Effect.void))
    })
  })
}
