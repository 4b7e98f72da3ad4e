/**
 * One life of a worker, seen from its container: the link, what was asked of it and not answered, what it said.
 *
 * **States**
 *
 * ```text
 *   opening ──▶ open ──▶ gone          opening: the backend starts it; what is sent meanwhile is kept
 *      └──────────────────▲
 * ```
 *
 * **Invariants**
 *
 * 1. `exited` of the host is called exactly once, and nothing of the host after it.
 * 2. A request that is pending when the life ends fails with `WorkerGone` in the same turn; no other life gets it. So does one
 *    that is pending when a life that was killed has not ended within the patience.
 * 3. Of what is known about the end, the first of the worker's own last word and the supervisor's kill counts; what the
 *    platform saw only without either.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Failure from "../../internal/failure.ts"
import type * as Backend from "../Backend.ts"
import type { StartFailed } from "../ContainerError.ts"
import * as WorkerExit from "../WorkerExit.ts"
import * as WorkerMessage from "../WorkerMessage.ts"
import { Age } from "./age.ts"
import { PATIENCE_MILLIS } from "./patience.ts"
import { Signs } from "./signs.ts"

export type Reply = Extract<WorkerMessage.FromWorker, { readonly _tag: "Reply" }>["result"]
/** What a life says besides `Ready`, `Reply` and `Ended`. */
export type Word = Exclude<WorkerMessage.FromWorker, { readonly _tag: "Ready" | "Reply" | "Ended" }>

/** A status is a line for people; what a worker sends beyond this is not kept. */
const LONGEST_TEXT = 1000

/** Who is told. Plain calls. */
export interface Host {
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  readonly ready: (life: Life) => void
  readonly word: (life: Life, word: Word) => void
  readonly invalid: (life: Life, error: WorkerMessage.InvalidMessage) => void
  readonly exited: (life: Life, exit: WorkerExit.WorkerExit) => void
}

export class Life {
  readonly request: Backend.StartRequest
  private readonly host: Host
  private readonly scope = Scope.makeUnsafe()
  private link: Backend.Link | undefined = undefined
  private starting: Fiber.Fiber<Backend.Link, StartFailed> | undefined = undefined
  private early: Array<unknown> = []
  private said: WorkerExit.WorkerExit | undefined = undefined
  private killed: WorkerExit.KillReason | undefined = undefined
  private readonly pending = new Map<number, (reply: Reply | undefined) => void>()
  private nextId = 1
  /** Until those who wait for its answers are told, once it was killed. */
  private patience: Fiber.Fiber<void> | undefined = undefined
  isReady = false
  isGone = false
  isStopping = false
  isKilled = false
  /** What it sent is no message of ours, and it is not decided yet that it may live with that. */
  isDoubted = false
  text: string | undefined = undefined
  /** What it says it is about to do, until it says that it is ready again. */
  word: "reloading" | "restarting" | undefined = undefined
  readonly age = new Age()
  /** When it was told, or has said, to have ended by; in monotonic milliseconds. */
  stopBy = Infinity
  /** What it does to show that it lives. */
  readonly signs = new Signs()

  constructor(request: Backend.StartRequest, host: Host) {
    this.request = request
    this.host = host
  }

  get place(): string | undefined {
    return this.link?.place
  }
  /** How much memory it uses, as of its last beat; it beats where the specification says how often. */
  get memoryBytes(): number | undefined {
    return this.signs.memoryBytes
  }
  /** What is known about how it ends, also before it has. */
  get ending(): WorkerExit.WorkerExit | undefined {
    return this.said ?? (this.killed && { _tag: "Killed", reason: this.killed })
  }
  get inFlight(): number {
    return this.pending.size
  }

  /** Starts it. A start that fails at once is told a turn later, so that who begins it can tell of the beginning first. */
  begin(backend: Backend.Shape): void {
    const listener: Backend.Listener = {
      message: (wire) => this.message(wire),
      exited: (exit) => this.finish(exit)
    }
    const start = Effect.tapCause(
      Effect.suspend(() => backend.start(this.request, listener)),
      () => Effect.yieldNow
    )
    this.starting = this.host.run(Scope.provide(start, this.scope))
    this.starting.addObserver((exit) => {
      if (Exit.isSuccess(exit)) return this.open(exit.value)
      const errors = WorkerExit.errorRows(exit.cause)
      this.finish({ _tag: "Failed", exitCode: 1, errors })
    })
  }

  private open(link: Backend.Link): void {
    if (this.isGone) return
    this.link = link
    if (link.pulse !== undefined) this.signs.follow(link.pulse)
    for (const wire of this.early.splice(0)) link.send(wire)
    if (this.isKilled) link.kill()
  }

  // ---------------------------------------------------------------------------
  // From the worker
  // ---------------------------------------------------------------------------

  private message(wire: unknown): void {
    if (this.isGone) return
    const message = WorkerMessage.readFromWorker(wire)
    if (message instanceof WorkerMessage.InvalidMessage) return this.host.invalid(this, message)
    switch (message._tag) {
      case "Ready": {
        this.word = undefined
        if (this.isReady || this.isStopping) return
        this.isReady = true
        return this.host.ready(this)
      }
      case "Reply":
        return this.settle(message.id, message.result)
      case "Ended": {
        // What is said after a kill was only the way out.
        if (this.killed === undefined) this.said ??= message.exit
        return
      }
      case "Reloading":
      case "Restarting": {
        this.word = message._tag === "Reloading" ? "reloading" : "restarting"
        return this.host.word(this, message)
      }
      case "StatusText": {
        this.text = message.text.slice(0, LONGEST_TEXT)
        return this.host.word(this, { ...message, text: this.text })
      }
      case "Problem":
        return this.host.word(this, { ...message, message: message.message.slice(0, LONGEST_TEXT) })
      default:
        return this.host.word(this, message)
    }
  }

  private finish(seen: WorkerExit.WorkerExit): void {
    if (this.isGone) return
    this.isGone = true
    this.patience?.interruptUnsafe()
    const waiting = this.takePending()
    this.early = []
    const { ending } = this
    this.host.run(Effect.ignoreCause(Scope.close(this.scope, Exit.void)))
    this.host.exited(this, ending ?? seen)
    for (const wake of waiting) wake(undefined)
  }

  /** A reply nobody waits for was cancelled on its way. */
  private settle(id: number, reply: Reply | undefined): void {
    const waiting = this.pending.get(id)
    this.pending.delete(id)
    waiting?.(reply)
  }

  private takePending(): ReadonlyArray<(reply: Reply | undefined) => void> {
    const waiting = Array.from(this.pending.values())
    this.pending.clear()
    return waiting
  }

  /** It was killed and is still there: whoever waits for an answer of it is told that there will be none. */
  private readonly forsake = Effect.andThen(
    Effect.sleep(PATIENCE_MILLIS),
    Effect.sync(() => {
      for (const wake of this.takePending()) wake(undefined)
    })
  )

  // ---------------------------------------------------------------------------
  // To the worker
  // ---------------------------------------------------------------------------

  private send(message: WorkerMessage.ToWorker): boolean {
    if (this.isGone) return false
    const wire = WorkerMessage.encodeToWorker(message)
    if (this.link !== undefined) return this.link.send(wire)
    this.early.push(wire)
    return true
  }

  /** Tells it to stop, or that it has to be quicker about it. */
  stop(budgetMillis: number, reason: string, nowMillis: number): void {
    // A link carries no time: less than a millisecond is no news.
    if (nowMillis + budgetMillis > this.stopBy - 1) return
    this.stopBy = nowMillis + budgetMillis
    this.isStopping = true
    this.send({ _tag: "Stop", budgetMillis, reason })
  }

  beat(everyMillis: number): void {
    this.send({ _tag: "Beat", everyMillis })
  }

  force(): void {
    this.send({ _tag: "Force" })
  }

  kill(reason: WorkerExit.KillReason): void {
    if (this.isGone) return
    // What it said before is how it ended; now only what is left of it is removed.
    if (this.said === undefined) this.killed ??= reason
    this.isKilled = true
    this.patience ??= this.host.run(this.forsake)
    if (this.link !== undefined) this.link.kill()
    else this.starting?.interruptUnsafe()
  }

  /**
   * Asks, now; told nothing if the life ended, or had ended, before it answered, and that it is refused if no link carries it.
   * What it returns is for who waits no longer.
   */
  askUnsafe(tag: string, payload: unknown, told: (reply: Reply | undefined) => void): () => void {
    const id = this.nextId++
    this.pending.set(id, told)
    try {
      const isSent = this.send({ _tag: "Request", id, tag, payload })
      this.age.requests += 1
      if (!isSent) this.settle(id, undefined)
    } catch (error) {
      // What a wide schema allows need not be something that travels.
      const detail = `it cannot be sent: ${Failure.unfolded(error)}`
      this.settle(id, { _tag: "Refused", reason: "invalid payload", detail })
    }
    return () => {
      if (this.pending.delete(id)) this.send({ _tag: "Cancel", id })
    }
  }
}
