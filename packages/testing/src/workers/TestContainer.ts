/**
 * Workers as fibers, with a hand on each of them: crash one on demand, let one say nonsense, refuse a start.
 *
 * It is core's `FiberBackend` and a service to hurt what runs on it. With `Faults` on, its own points may fail a start, crash a
 * life between two messages, lose a life before it is ready or while it stops; a seed that failed fails again.
 *
 * **Points** (off without `Faults`)
 *
 * | point            | what happens                                                    |
 * | ---------------- | --------------------------------------------------------------- |
 * | `worker start`   | the platform gives no worker                                    |
 * | `worker message` | the worker crashes in place of saying what it was about to say  |
 * | `worker ready`   | it crashes in place of becoming ready                           |
 * | `worker stop`    | it crashes when it is told to stop                              |
 *
 * @since 0.1.0
 */
import * as Backend from "@selvedge/core/workers/Backend"
import { StartFailed } from "@selvedge/core/workers/ContainerError"
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import type { WorkerExit } from "@selvedge/core/workers/WorkerExit"
import * as FiberBackend from "@selvedge/core/service/FiberBackend"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Faults from "../faults/Faults.ts"

/**
 * The points of this backend, to declare in a campaign.
 *
 * @category faults
 * @since 0.1.0
 */
export const points = {
  start: Faults.point("worker start", { probability: 0.1 }),
  message: Faults.point("worker message", { probability: 0.02 }),
  ready: Faults.point("worker ready", { probability: 0.1 }),
  stop: Faults.point("worker stop", { probability: 0.2 })
} as const

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Every life that was ever started, oldest first. */
  readonly lives: Effect.Effect<ReadonlyArray<FiberBackend.FiberLife>>
  /** The lives that run now, by ordinal. */
  readonly running: Effect.Effect<ReadonlyArray<FiberBackend.FiberLife>>
  /** Ends the present life of an ordinal as if the platform had; `false` if there is none. Default: SIGKILL. */
  readonly crash: (ordinal: number, exit?: WorkerExit) => Effect.Effect<boolean>
  /** Lets the present life of an ordinal say something. */
  readonly say: (ordinal: number, wire: unknown) => Effect.Effect<boolean>
  /** Blocks the present life of an ordinal: it hears nothing and nothing of it is heard, until it is thawed. */
  readonly freeze: (ordinal: number) => Effect.Effect<boolean>
  readonly thaw: (ordinal: number) => Effect.Effect<boolean>
  /** Lives that were killed and did not end. */
  readonly abandoned: Effect.Effect<ReadonlyArray<Facts>>
  /** Two lives of one ordinal that ran at the same time, as they were noticed. Always empty, or there is a bug. */
  readonly overlaps: Effect.Effect<ReadonlyArray<Facts>>
}

/**
 * @category services
 * @since 0.1.0
 */
export class TestContainer extends Context.Service<TestContainer, Shape>()("@selvedge/testing/TestContainer") {}

const killed: WorkerExit = { _tag: "Signalled", signal: "SIGKILL" }

/**
 * The backend of containers made below, and the hand on their workers.
 *
 * **Example** (A worker that crashes, and the one after it)
 *
 * ```ts
 * import { Backend, Container } from "@selvedge/core"
 * import * as TestContainer from "@selvedge/testing/workers/TestContainer"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const workers = yield* TestContainer.TestContainer
 *   const container = yield* Container.make()
 *   const child = yield* container.spawn({ name: "parser", program: Backend.direct(Effect.never) })
 *   yield* child.awaitReady
 *   yield* workers.crash(0)
 *   yield* child.awaitReady
 *   return (yield* child.facts).generation // 2
 * }).pipe(Effect.scoped, Effect.provide(TestContainer.layer))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<TestContainer | Backend.Backend> = Layer.effectContext(
  Effect.sync(() => {
    const lives: Array<FiberBackend.FiberLife> = []
    const abandoned: Array<Facts> = []
    const overlaps: Array<Facts> = []
    const isAt = (one: FiberBackend.FiberLife, facts: Facts): boolean => path(one.facts) === path(facts)
    const fibers = FiberBackend.make({
      started: (life) => {
        if (lives.some((one) => !one.isGone() && isAt(one, life.facts))) overlaps.push(life.facts)
        lives.push(life)
      },
      abandoned: (facts) => void abandoned.push(facts)
    })
    const presentOf = (ordinal: number): FiberBackend.FiberLife | undefined =>
      lives.findLast((life) => life.facts.ordinal === ordinal && !life.isGone())
    const onPresent = (ordinal: number, act: (life: FiberBackend.FiberLife) => void): Effect.Effect<boolean> =>
      Effect.sync(() => {
        const life = presentOf(ordinal)
        if (life !== undefined) act(life)
        return life !== undefined
      })
    const shape: Shape = {
      lives: Effect.sync(() => lives.slice()),
      running: Effect.sync(() => lives.filter((life) => !life.isGone())),
      crash: (ordinal, exit) => onPresent(ordinal, (life) => life.crash(exit ?? killed)),
      say: (ordinal, wire) => onPresent(ordinal, (life) => life.say(wire)),
      freeze: (ordinal) => onPresent(ordinal, (life) => life.freeze()),
      thaw: (ordinal) => onPresent(ordinal, (life) => life.thaw()),
      abandoned: Effect.sync(() => abandoned.slice()),
      overlaps: Effect.sync(() => overlaps.slice())
    }
    return Context.make(TestContainer, shape).pipe(
      Context.add(
        Backend.Backend,
        hurting(fibers, () => lives)
      )
    )
  })
)

const path = (facts: Facts): string => facts.frames.map((frame) => `${frame.kind} ${frame.ordinal}`).join("/")

/** The backend with the fault points in it. */
const hurting = (fibers: Backend.Shape, lives: () => ReadonlyArray<FiberBackend.FiberLife>): Backend.Shape => ({
  ...fibers,
  start: (request, listener) =>
    Effect.flatMap(Effect.context<never>(), (context) => {
      const fires = (point: Faults.Point): boolean => Effect.runSyncWith(context)(point)
      if (fires(points.start)) {
        return Effect.fail(
          new StartFailed({ reason: "SpawnRefused", wanted: "a fiber", found: "the fault `worker start`" })
        )
      }
      const crash = (): void =>
        lives()
          .findLast((life) => life.facts === request.context)
          ?.crash(killed)
      const heard: Backend.Listener = {
        exited: listener.exited,
        message: (wire) => (fires(isReady(wire) ? points.ready : points.message) ? crash() : listener.message(wire))
      }
      return Effect.map(fibers.start(request, heard), (link) => ({
        ...link,
        send: (wire: unknown) => {
          if (isStop(wire) && fires(points.stop)) crash()
          return link.send(wire)
        }
      }))
    })
})

const hasTag = (wire: unknown, tag: string): boolean =>
  typeof wire === "object" && wire !== null && "_tag" in wire && wire._tag === tag

const isReady = (wire: unknown): boolean => hasTag(wire, "Ready")
const isStop = (wire: unknown): boolean => hasTag(wire, "Stop")
