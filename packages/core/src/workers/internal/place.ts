/**
 * A child: the place of a worker, and the one function that moves it from state to state.
 *
 * ```text
 *   Starting ─▶ Ready ─▶ Stopping ─▶ Killing ─▶ BackingOff ─▶ Starting …      any of them ─▶ Ended
 *   OnTrial ─▶ Serving ─▶ Retired                                            its role, beside its state
 * ```
 *
 * **Invariants**
 *
 * 1. A life is begun only where there is none: two lives of one ordinal never overlap.
 * 2. The ordinal is given back when the place has ended, and not before.
 * 3. A place that has ended stays so.
 * 4. A role is never taken back: who was promoted is not on trial again, and who is retired stays so.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import type * as Pull from "effect/Pull"
import type * as Backend from "../Backend.ts"
import { State } from "../Child.ts"
import type * as Child from "../Child.ts"
import type { Resolved } from "../ChildSpec.ts"
import { NotReady } from "../ContainerError.ts"
import type { Frame } from "../Frame.ts"
import type { Claim } from "../OrdinalPool.ts"
import type { Facts } from "../WorkerContext.ts"
import type { KillReason, WorkerExit } from "../WorkerExit.ts"
import { type Host, Life } from "./life.ts"

/** Which states may follow which; anything else is a mistake of this family. */
const moves: Readonly<Record<Child.State["_tag"], ReadonlyArray<Child.State["_tag"]>>> = {
  Starting: ["Ready", "Stopping", "Killing", "BackingOff", "Ended"],
  Ready: ["Stopping", "Killing", "BackingOff", "Ended"],
  Stopping: ["Killing", "BackingOff", "Ended"],
  Killing: ["BackingOff", "Ended"],
  BackingOff: ["Starting", "Ended"],
  Ended: []
}

export class Place {
  /** What its next life is begun with; a reload may change what a life does not depend on. */
  spec: Resolved
  readonly serviceOrdinal: number
  readonly claim: Claim
  /** Grows from place to place: who was started after whom. A replacement takes it over. */
  order: number
  role: Child.Role
  /** When it was picked last, counted in picks. */
  turn = 0
  private readonly frames: ReadonlyArray<Frame>
  private readonly kind: Backend.Shape["kind"]
  state: Child.State = State.Starting()
  life: Life | undefined = undefined
  facts: Facts | undefined = undefined
  lastExit: WorkerExit | undefined = undefined
  /** What its last life held in shared memory is being put right. */
  isRecovering = false
  /** It is being stopped so that it can be started again, with its group or because it is recycled. */
  inGroup = false
  /** One of its lives was ready. */
  wasReady = false
  /** So many lives in a row, of this place and of those it replaced, were ready and at once above their limit of memory. */
  outgrownInARow = 0
  /** The delays of its back-off, while it has not been ready again. */
  backoff: Step | undefined = undefined
  private attempt = 0

  constructor(options: {
    readonly spec: Resolved
    readonly serviceOrdinal: number
    readonly claim: Claim
    readonly frames: ReadonlyArray<Frame>
    readonly kind: Backend.Shape["kind"]
    readonly order: number
    readonly role: Child.Role
  }) {
    this.spec = options.spec
    this.role = options.role
    this.serviceOrdinal = options.serviceOrdinal
    this.claim = options.claim
    this.frames = options.frames
    this.kind = options.kind
    this.order = options.order
  }

  get isEnded(): boolean {
    return this.state._tag === "Ended"
  }
  get isReady(): boolean {
    return this.state._tag === "Ready"
  }
  get isServing(): boolean {
    return this.role === "Serving"
  }
  /** Somebody wants this worker gone for good. */
  get isDismissed(): boolean {
    return this.role === "Retired"
  }
  /** Whether it is sent requests. */
  get takesRequests(): boolean {
    return this.isReady && this.isServing
  }
  /** Its present life is or was ready, or its last one was. */
  get wasReadyLast(): boolean {
    return this.facts !== undefined && this.attempt === 0
  }
  /** It has ended, and none of its lives was ready. */
  get isLost(): boolean {
    return this.isEnded && !this.wasReady
  }
  /** How it ended, once and for all. */
  get end(): WorkerExit | undefined {
    return this.state._tag === "Ended" ? this.state.exit : undefined
  }

  private move(next: Child.State): void {
    if (!moves[this.state._tag].includes(next._tag)) {
      throw new Error(`a child cannot go from ${this.state._tag} to ${next._tag}`)
    }
    this.state = next
  }

  /** From now on it is one of the container's workers, in the place of another. */
  promote(order: number): void {
    if (this.role !== "OnTrial") throw new Error(`a place that is ${this.role} cannot be promoted`)
    this.role = "Serving"
    this.order = order
  }

  /** From now on it is wanted gone for good. */
  retire(): void {
    this.role = "Retired"
  }

  /** Begins a life. */
  begin(backend: Backend.Shape, host: Host, startedAt: number): void {
    if (this.life !== undefined) throw new Error("a place has room for one life")
    if (this.state._tag !== "Starting") this.move(State.Starting())
    this.inGroup = false
    this.attempt += 1
    const { beatEveryMillis, healthTimeout, key, name, program, progressTimeout, regions } = this.spec
    const { ordinal } = this.claim
    const generation = this.claim.nextGenerationUnsafe()
    const context: Facts = {
      kind: this.kind,
      ordinal,
      generation,
      name,
      key: key ?? null,
      serviceOrdinal: this.serviceOrdinal,
      frames: [...this.frames, { kind: this.kind, ordinal, generation, name }],
      attempt: this.attempt,
      startedAt
    }
    this.facts = context
    const millisOf = (time: Duration.Duration | undefined) => time && Duration.toMillis(time)
    const request: Backend.StartRequest = {
      program,
      regions,
      healthTimeoutMillis: millisOf(healthTimeout),
      progressTimeoutMillis: millisOf(progressTimeout),
      isJudged: beatEveryMillis !== undefined || progressTimeout !== undefined,
      context
    }
    this.life = new Life(request, host)
    this.life.begin(backend)
  }

  /** The present life is ready. */
  becomeReady(): void {
    this.attempt = 0
    this.wasReady = true
    this.backoff = undefined
    if (this.state._tag === "Starting") this.move(State.Ready())
  }

  /** Tells the present life to stop; one that is stopping already hears it only if it has less time than it was told. */
  interrupt(budgetMillis: number, reason: string, nowMillis: number): void {
    // A place that waits for its first life has nobody to tell.
    if (this.life === undefined || this.state._tag === "Killing" || this.state._tag === "BackingOff") return
    if (this.state._tag !== "Stopping") this.move(State.Stopping())
    this.life.stop(budgetMillis, reason, nowMillis)
  }

  /** The present life says that it is stopping; `true` if nobody here has told it to. */
  stopsItself(): boolean {
    if (this.state._tag !== "Starting" && this.state._tag !== "Ready") return false
    this.move(State.Stopping())
    return true
  }

  kill(reason: KillReason): void {
    if (this.life === undefined || this.isEnded) return
    if (this.state._tag !== "Killing") this.move(State.Killing())
    this.life.kill(reason)
  }

  /** The present life has ended. */
  left(exit: WorkerExit): void {
    this.life = undefined
    this.lastExit = exit
  }

  recover(exit: WorkerExit): void {
    this.isRecovering = true
    this.move(State.BackingOff({ exit }))
  }

  /** Another life will follow. */
  waitForNext(exit: WorkerExit): void {
    if (this.state._tag !== "BackingOff") this.move(State.BackingOff({ exit }))
  }

  /** Something of it still holds its ordinal. */
  get isLive(): boolean {
    return this.life !== undefined || this.isRecovering
  }

  /** No other life will follow. */
  finish(exit: WorkerExit): void {
    this.move(State.Ended({ exit }))
    this.claim.releaseUnsafe()
  }

  rowAt(nowMillis: number): Child.Row {
    const signs = this.life?.signs
    const isJudged = this.life?.isReady === true && this.spec.beatEveryMillis !== undefined
    signs?.look(nowMillis)
    return {
      name: this.spec.name,
      key: this.spec.key ?? null,
      ordinal: this.claim.ordinal,
      serviceOrdinal: this.serviceOrdinal,
      generation: this.facts?.generation ?? 0,
      frames: this.facts?.frames ?? [],
      state: this.state._tag,
      role: this.role,
      startedAt: this.life === undefined ? undefined : this.facts?.startedAt,
      text: this.life?.text,
      word: this.life?.word,
      requests: this.life?.age.requests ?? 0,
      place: this.life?.place,
      beatAgeMillis: signs !== undefined && isJudged ? nowMillis - signs.beats.at : undefined,
      memoryBytes: this.life?.memoryBytes,
      lastExit: this.lastExit
    }
  }

  notReady(exit: WorkerExit): NotReady {
    return new NotReady({ service: this.spec.name, serviceOrdinal: this.serviceOrdinal, exit })
  }
}

/** One step of a back-off: the delay, or the end of the schedule. */
type Step = (now: number, input: unknown) => Pull.Pull<[unknown, Duration.Duration], never, unknown>
