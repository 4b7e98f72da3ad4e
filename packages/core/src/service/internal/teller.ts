/**
 * Tells a recipient how a life stands: docs/systemd.md.
 *
 * ```text
 *   starting ──READY──▶ running ──RELOADING──▶ reloading
 *      │                 │  ▲ ◀─────READY─────────┘ │
 *      └────STOPPING─────┴──────────STOPPING────────┘──▶ stopping ──▶ ended
 * ```
 *
 * It is led by the state, not by events: after every change, and once a second, it looks at the life and sends the
 * difference between what holds and what has been told. So a message that was lost is made good by the next look, and
 * nothing is told twice.
 *
 * **Invariants**
 *
 * 1. `READY=1` comes after the service was ready for the first time, and then once for every `RELOADING=1`.
 * 2. `RELOADING=1` comes only after a `READY=1`, with the time of the moment; the next one only after another `READY=1`.
 * 3. `STOPPING=1` arrives once, before any extension of the stop; after it there is no `READY=1` and no `RELOADING=1`.
 * 4. An extension covers more than twice the time to the next one; those of a stop never reach beyond the budget and the
 *    half second in which the process is gone. A start is extended while each step of it takes no longer than `STEP_NANOS`.
 * 5. `WATCHDOG=1` is sent by a fiber of the main loop, four times within the recipient's patience, only between the first
 *    `READY=1` and the end of the budget, and only if every container is alive and the check of the user says so. While the
 *    plan runs, the plan is the progress: within its budget it needs no other.
 * 6. After the last status nothing is sent.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Failure from "../../internal/failure.ts"
import type { Recipient } from "../Notices.ts"
import type { Life } from "./life.ts"
import * as StatusText from "./statusText.ts"

const SECOND = 1_000_000_000n
/** How often a look is taken without a change. */
const LOOK_MILLIS = 1000
/** Signs of life within the recipient's patience. */
const FEEDS = 4
/** A start that takes less is not worth an extension. */
const LONG_START_NANOS = 10n * SECOND
/** What systemd gives a whole start by default, each step of ours gets. */
const STEP_NANOS = 90n * SECOND
const START_EXTENSION = { nanos: 30n * SECOND, everyNanos: 10n * SECOND }
const STOP_EXTENSION = { nanos: 10n * SECOND, everyNanos: 3n * SECOND }
/** After the end of the budget the process is gone within this. */
const GONE_NANOS = SECOND / 2n

/** What the recipient knows. */
interface Told {
  ready: boolean
  /** The reload it was told of, and whether it still waits for its end. */
  reload: number
  reloading: boolean
  stopping: boolean
  status: string
  /** What the status was about, and when it was sent. */
  about: string
  statusNanos: bigint
  extendedNanos: bigint | undefined
}

export class Teller {
  private readonly life: Life
  private readonly recipient: Recipient
  private readonly startedNanos: bigint
  private readonly stops: Array<() => void> = []
  private told: Told
  /** The step of the start, and since when. */
  private step = { name: "", nanos: 0n }
  private fedNanos = 0n
  private checking: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** The outage has been logged. */
  private isWithheld = false
  private hasEnded = false

  constructor(life: Life, recipient: Recipient) {
    this.life = life
    this.recipient = { ...recipient, send: (lines) => handed(recipient, lines) }
    this.startedNanos = life.nowNanos()
    this.step.nanos = this.startedNanos
    this.told = {
      ready: false,
      reload: 0,
      reloading: false,
      stopping: false,
      status: "",
      about: "",
      statusNanos: this.startedNanos,
      extendedNanos: undefined
    }
    this.stops.push(life.changes.listen(() => this.look()))
    this.loop(
      Effect.andThen(
        Effect.sync(() => this.look()),
        Effect.sleep(LOOK_MILLIS)
      )
    )
    const { watchdog } = recipient
    if (watchdog === undefined) return
    const turn = Effect.andThen(
      Effect.sync(() => this.feed(Duration.toNanosUnsafe(watchdog))),
      Effect.sleep(Duration.nanos(Duration.toNanosUnsafe(watchdog) / BigInt(FEEDS)))
    )
    this.loop(turn)
  }

  private loop(turn: Effect.Effect<void>): void {
    const fiber = Effect.runForkWith(this.life.context)(Effect.forever(turn))
    this.stops.push(() => fiber.interruptUnsafe())
  }

  dispose(): void {
    this.hasEnded = true
    for (const stop of this.stops.splice(0)) stop()
    this.checking?.interruptUnsafe()
  }

  /** The last word. */
  end(outcome: StatusText.Ending): void {
    if (this.hasEnded) return
    const stopping = this.told.stopping ? [] : ["STOPPING=1"]
    this.recipient.send([...stopping, `STATUS=${StatusText.oneLine(StatusText.ofEnd(outcome))}`])
    this.dispose()
  }

  // ---------------------------------------------------------------------------
  // States
  // ---------------------------------------------------------------------------

  /** Sends what has changed; more than one message where the order matters. */
  private look(): void {
    while (!this.hasEnded && this.tell()) {}
  }

  /** One message; `true` if there may be another. */
  private tell(): boolean {
    const next: Told = { ...this.told }
    const state = this.life.timeline === undefined ? this.running(next) : stopping(next)
    const now = this.life.nowNanos()
    const status = this.status(next, now, state.length > 0)
    const extension = this.extension(next, now)
    const lines = [...state, ...status, ...extension]
    if (lines.length === 0 || !this.recipient.send(lines)) return false
    this.told = next
    return state.length > 0
  }

  private running(next: Told): ReadonlyArray<string> {
    const { life } = this
    const { begun, ended } = life.reload
    if (!next.ready) {
      if (!life.wasReady || ended < begun) return []
      next.ready = true
      next.reload = begun
      return ["READY=1"]
    }
    if (next.reloading) {
      if (ended < next.reload) return []
      next.reloading = false
      return ["READY=1"]
    }
    if (begun === next.reload) return []
    // One after the other: what began while nobody heard us is told as one.
    next.reload = begun
    next.reloading = true
    return ["RELOADING=1", `MONOTONIC_USEC=${this.recipient.monotonicMicrosUnsafe()}`]
  }

  /** At once where it is about something else, else once a second at most. */
  private status(next: Told, now: bigint, isNews: boolean): ReadonlyArray<string> {
    const { isReady, phase, reload, stage } = this.life
    next.about = `${stage} ${phase} ${isReady} ${reload.begun} ${reload.ended}`
    if (!isNews && next.about === this.told.about && now - this.told.statusNanos < SECOND) return []
    next.status = StatusText.oneLine(StatusText.of(this.life))
    if (next.status === this.told.status) return []
    next.statusNanos = now
    return [`STATUS=${next.status}`]
  }

  private extension(next: Told, now: bigint): ReadonlyArray<string> {
    const { timeline } = this.life
    const { everyNanos, nanos } = timeline === undefined ? START_EXTENSION : STOP_EXTENSION
    const isFirstOfStop = timeline !== undefined && !this.told.stopping
    const last = next.extendedNanos
    if (!isFirstOfStop && last !== undefined && now - last < everyNanos) return []
    const left = timeline === undefined ? this.startLeft(now) : timeline.endNanos() + GONE_NANOS - now
    if (left <= 0n) return []
    next.extendedNanos = now
    return [`EXTEND_TIMEOUT_USEC=${(left < nanos ? left : nanos) / 1000n}`]
  }

  /** Until when the start may be extended; nothing if it is not to be. */
  private startLeft(now: bigint): bigint {
    const name = `${this.life.stage} ${StatusText.workers(this.life)}`
    if (name !== this.step.name) this.step = { name, nanos: now }
    if (this.told.ready || now - this.startedNanos < LONG_START_NANOS || now - this.step.nanos > STEP_NANOS) return 0n
    return START_EXTENSION.nanos
  }

  // ---------------------------------------------------------------------------
  // Signs of life
  // ---------------------------------------------------------------------------

  private feed(patienceNanos: bigint): void {
    const { life } = this
    const now = life.nowNanos()
    if (!this.told.ready) {
      this.fedNanos = now
      return
    }
    if (life.timeline !== undefined) {
      if (now < life.timeline.endNanos()) this.sign()
      return
    }
    const withheld = (why: string): void => {
      if (this.isWithheld || life.nowNanos() - this.fedNanos < patienceNanos / 2n) return
      this.isWithheld = true
      life.log(Effect.logWarning(`no sign of life to the service manager: ${why}`))
    }
    const dead = Array.from(life.workforce).find((member) => !member.isAliveUnsafe())
    if (dead !== undefined) return withheld(`${dead.name} has a service without a worker that lives`)
    if (life.progress === undefined) return this.sign()
    if (this.checking !== undefined) return withheld("the check of progress has not ended")
    this.checking = Effect.runForkWith(life.context)(life.progress)
    this.checking.addObserver((exit) => {
      this.checking = undefined
      if (Exit.isFailure(exit)) withheld(`the check of progress failed: ${Failure.oneLine(exit.cause)}`)
      else if (exit.value === true) this.sign()
      else withheld("the check of progress says there is none")
    })
  }

  private sign(): void {
    if (this.hasEnded || !this.recipient.send(["WATCHDOG=1"])) return
    this.fedNanos = this.life.nowNanos()
    if (this.isWithheld) this.life.log(Effect.logInfo("signs of life to the service manager again"))
    this.isWithheld = false
  }
}

/** It is called in the middle of a request to stop: what it throws must go no further. */
const handed = (recipient: Recipient, lines: ReadonlyArray<string>): boolean => {
  try {
    return recipient.send(lines)
  } catch {
    return false
  }
}

const stopping = (next: Told): ReadonlyArray<string> => {
  if (next.stopping) return []
  next.stopping = true
  return ["STOPPING=1"]
}
