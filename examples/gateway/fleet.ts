/**
 * What the gateway's workers are, and what an operator may make of them while they serve.
 *
 * There are two crews, each a container with a backend of its own: those that parse, and those that count. Parsers are replaced as they
 * are. Those that count hand their shards over (`worker/handover.ts`), so they may be replaced in the same way, the new ones ready before the
 * old are gone; how many there are is laid down by the files, and is not changed.
 *
 * | `GATEWAY_PROCESSES` | parsers                               | those that count     | the ring lies in             |
 * | ------------------- | ------------------------------------- | -------------------- | ---------------------------- |
 * | not set             | `GATEWAY_PARSERS` threads             | a thread for a shard | this process                 |
 * | set                 | so many processes of threads (hybrid) | a process for a shard | memory that all processes map |
 */
import { Backend, Container, type ContainerError, type Operations, type WorkerContext } from "@selvedge/core"
import { ForkedBackend, HybridBackend, ThreadedBackend } from "@selvedge/node"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { environmentOf, Settings } from "./Settings.ts"
import { Events } from "./events.ts"
import { REGION } from "./worker/EventRecord.ts"

export const COUNT = "aggregate"
export const PARSE = "parse"

/** What starts the workers. */
export class Backends extends Context.Service<
  Backends,
  { readonly count: Backend.Shape; readonly parse: Backend.Shape }
>()("gateway/Backends") {
  /** With the settings of this process. */
  static readonly layer = Layer.effect(
    Backends,
    Effect.gen(function* () {
      const settings = yield* Settings
      const env = { ...process.env, ...environmentOf(settings) }
      if (Option.isSome(settings.processes)) {
        const parse = yield* HybridBackend.make({ env, threads: settings.threads })
        return Backends.of({ count: ForkedBackend.make({ env }), parse })
      }
      const threads = ThreadedBackend.make({ env })
      return Backends.of({ count: threads, parse: threads })
    })
  )
}

/** What may change while the gateway serves. */
export interface Shape {
  readonly parsers: number
  /** A worker is replaced when it has served for so long. */
  readonly recycleEvery: Option.Option<Duration.Duration>
}

/** What an operation did, in numbers; and the names of those that could not be ended. */
export interface Done {
  readonly started: number
  readonly kept: number
  readonly retired: number
  readonly leftBehind: ReadonlyArray<string>
}

const add = (outcomes: ReadonlyArray<Operations.Outcome>): Done => ({
  started: outcomes.reduce((sum, { started }) => sum + started.length, 0),
  kept: outcomes.reduce((sum, { kept }) => sum + kept.length, 0),
  retired: outcomes.reduce((sum, { retired }) => sum + retired, 0),
  leftBehind: outcomes.flatMap(({ leftBehind }) => leftBehind)
})

const programOf = (name: string) => Backend.module(new URL(`./worker/${name}.ts`, import.meta.url))

export interface Fleet {
  readonly counting: Container.Container
  readonly parsing: Container.Container
  /** Replaces all workers, or those of one service; while that has not succeeded, the old ones serve. */
  readonly restart: (service?: string) => Effect.Effect<Done, Operations.OperationError>
  /** Asks for the fleet anew, in another shape: keeps what is as it was. */
  readonly reload: (change: Partial<Shape>) => Effect.Effect<Done, Operations.OperationError>
  /** Another number of parsers. */
  readonly scale: (parsers: number) => Effect.Effect<Done, Operations.OperationError>
}

const crew = (
  name: string,
  backend: Backend.Shape,
  restarts: number,
  recover?: (dead: WorkerContext.Facts) => Effect.Effect<unknown, unknown>
) =>
  Container.make({ name, critical: true, intensity: { max: restarts, period: "5 seconds" }, recover }).pipe(
    Effect.provideService(Backend.Backend, backend)
  )

/** Starts the workers, and waits until they are ready. */
export const make = Effect.gen(function* () {
  const settings = yield* Settings
  const { healthTimeout, maxWorkerMemory, processes, restarts, workers } = settings
  const backends = yield* Backends
  const { recover, ring } = yield* Events
  const counting = yield* crew("counting", backends.count, restarts, recover)
  const parsing = yield* crew("parsing", backends.parse, restarts)
  let shape: Shape = {
    parsers: Option.getOrElse(processes, () => settings.parsers),
    recycleEvery: settings.recycleEvery
  }

  const recycleOf = ({ recycleEvery }: Shape) => {
    const maxLifetime = Option.getOrUndefined(recycleEvery)
    const maxMemory = Option.getOrUndefined(maxWorkerMemory)
    return maxLifetime === undefined && maxMemory === undefined ? undefined : { maxLifetime, maxMemory }
  }
  const common = (name: string, wanted: Shape) => {
    const recycle = recycleOf(wanted)
    return { name, program: programOf(name), healthTimeout, ...(recycle === undefined ? {} : { recycle }) }
  }
  const askCounting = (wanted: Shape) => (spawner: Operations.Spawner) =>
    spawner.run({ ...common(COUNT, wanted), count: workers, regions: { [REGION]: ring.core.memory } })
  const askParsing = (wanted: Shape) => (spawner: Operations.Spawner) =>
    spawner.run({ ...common(PARSE, wanted), count: wanted.parsers })

  yield* askCounting(shape)(counting)
  yield* askParsing(shape)(parsing)
  yield* counting.awaitReady
  yield* parsing.awaitReady

  const serially = (operations: ReadonlyArray<Effect.Effect<Operations.Outcome, Operations.OperationError>>) =>
    Effect.map(Effect.all(operations), add)
  return {
    counting,
    parsing,
    restart: (service) =>
      serially([...(service === COUNT ? [] : [parsing.restart()]), ...(service === PARSE ? [] : [counting.restart()])]),
    reload: (change) =>
      Effect.suspend(() => {
        const wanted = { ...shape, ...change }
        return Effect.tap(serially([parsing.reload(askParsing(wanted)), counting.reload(askCounting(wanted))]), () =>
          Effect.sync(() => (shape = wanted))
        )
      }),
    scale: (parsers) =>
      Effect.tap(serially([parsing.scale(PARSE, parsers)]), () => Effect.sync(() => (shape = { ...shape, parsers })))
  } satisfies Fleet as Fleet
})

export type StartError = Operations.OperationError | ContainerError.NotReady | ContainerError.RestartIntensityExceeded
