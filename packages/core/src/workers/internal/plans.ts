/**
 * What restart, reload and scale make of the workers there are: who is new, who stays, who goes.
 *
 * A plan is made in the turn in which its places are taken, from the workers that serve then; what takes time (checks, the
 * set-up) comes before.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Setting from "../../config/Setting.ts"
import { quote } from "../../internal/quote.ts"
import { show } from "../../internal/show.ts"
import type { Resolved } from "../ChildSpec.ts"
import { InvalidSpec, type SpawnError } from "../ContainerError.ts"
import type {
  OperationError,
  Outcome,
  ReloadOptions,
  RestartOptions,
  ScaleOptions,
  SetUp,
  Spawner
} from "../Operations.ts"
import type { Fleet, Ticket } from "./fleet.ts"
import { giveUp, Inside, isOver, operate, type Running } from "./operations.ts"
import type { Place } from "./place.ts"
import { checkGrace, checkService, checkSingle, type Service } from "./prepare.ts"
import * as Rollout from "./rollout.ts"
import * as Duration from "effect/Duration"

const graceMillisOf = (
  fleet: Fleet,
  grace: Duration.Input | undefined
): Effect.Effect<number, Setting.InvalidSetting> =>
  grace === undefined ? Effect.succeed(fleet.setup.graceMillis) : Effect.map(checkGrace(grace), Duration.toMillis)

const checkModules = (fleet: Fleet, specs: ReadonlyArray<Resolved>): Effect.Effect<void, SpawnError> =>
  Effect.forEach(new Set(specs), (spec) => fleet.setup.backend.check(spec), { discard: true })

const unknownService = (fleet: Fleet, service: unknown): InvalidSpec => {
  const names = new Set([...fleet.serving.map((place) => place.spec.name), ...fleet.dormant.keys()])
  const known = Array.from(names, quote).join(", ")
  const found = typeof service === "string" ? quote(service.slice(0, 64)) : show(service)
  const wanted = known === "" ? "a service of this container, which has none" : `one of the services ${known}`
  return new InvalidSpec({ service: fleet.setup.name, field: "service", wanted, found })
}

// -----------------------------------------------------------------------------
// Restart
// -----------------------------------------------------------------------------

export const restart = Effect.fnUntraced(function* (
  fleet: Fleet,
  options: RestartOptions = {}
): Effect.fn.Return<Outcome, OperationError> {
  yield* Setting.refuseUnknown(options, { service: true, grace: true })
  const graceMillis = yield* graceMillisOf(fleet, options.grace)
  const { service } = options
  const all = (): ReadonlyArray<Place> =>
    fleet.serving.filter((place) => service === undefined || place.spec.name === service)
  return yield* operate(fleet, "restart", (ticket) =>
    Effect.gen(function* () {
      if (service !== undefined && all().length === 0 && !fleet.dormant.has(service)) {
        return yield* unknownService(fleet, service)
      }
      yield* checkModules(
        fleet,
        all().map((place) => place.spec)
      )
      const plan = (): Rollout.Plan => {
        const retiring = all()
        const kept = fleet.serving.filter((place) => !retiring.includes(place))
        return {
          fresh: retiring.map((replaces) => ({ spec: replaces.spec, replaces })),
          kept: kept.map((place) => ({ place, spec: place.spec })),
          retiring
        }
      }
      return yield* Rollout.run(fleet, { operation: "restart", ticket, graceMillis, plan })
    })
  )
})

// -----------------------------------------------------------------------------
// Reload
// -----------------------------------------------------------------------------

export const reload = <E, R>(
  fleet: Fleet,
  setUp: SetUp<E, R>,
  options: ReloadOptions = {}
): Effect.Effect<Outcome, E | OperationError, R> =>
  Effect.gen(function* () {
    yield* Setting.refuseUnknown(options, { keep: true, grace: true })
    const keep = options.keep ?? true
    yield* Setting.option("keep", "true or false", (value) => typeof value === "boolean")(keep)
    yield* Setting.option("setUp", "a function", (value) => typeof value === "function")(setUp)
    const graceMillis = yield* graceMillisOf(fleet, options.grace)
    const context = yield* Effect.context<R>()
    return yield* operate(fleet, "reload", (ticket) =>
      Effect.gen(function* () {
        const marked = fleet.serving
        const asked: Array<Service> = []
        const spawner = spawnerOf(fleet, asked)
        const running: Running = { fleet, hasEnded: false }
        const inside = Effect.updateService(
          Effect.suspend(() => setUp(spawner.use)),
          Inside,
          (others) => [...others, running]
        )
        yield* Effect.ensuring(
          untilOver(fleet, ticket, Effect.provideContext(inside, context)),
          Effect.sync(() => {
            running.hasEnded = true
            spawner.close()
          })
        )
        const plan = (): Rollout.Plan => planReload(fleet, marked, asked, keep)
        return yield* Rollout.run(fleet, { operation: "reload", ticket, graceMillis, plan })
      })
    )
  })

/** Whoever has to give up does not wait for somebody else's code. */
const untilOver = <E>(
  fleet: Fleet,
  ticket: Ticket,
  setUp: Effect.Effect<unknown, E>
): Effect.Effect<void, E | SpawnError> =>
  Effect.suspend(() => {
    const fiber = fleet.run(setUp)
    fiber.addObserver(() => fleet.changed())
    const isDone = (): boolean => fiber.pollUnsafe() !== undefined
    return Effect.andThen(
      fleet.watchers.until(() => isDone() || isOver(fleet, ticket)),
      Effect.suspend((): Effect.Effect<void, E | SpawnError> => {
        const exit = fiber.pollUnsafe()
        if (exit !== undefined && !isOver(fleet, ticket)) return Exit.asVoid(exit)
        fiber.interruptUnsafe()
        return giveUp(fleet)
      })
    )
  })

/** Notes what a set-up asks for; each of it is checked on the spot. */
const spawnerOf = (fleet: Fleet, asked: Array<Service>): { readonly use: Spawner; readonly close: () => void } => {
  let isOpen = true
  const refuse = (service: string, field: string, wanted: string, found: string): InvalidSpec =>
    new InvalidSpec({ service, field, wanted, found })
  const run: Spawner["run"] = Effect.fnUntraced(function* (given) {
    const service = yield* checkService(given)
    const { key, name } = service.spec
    yield* fleet.setup.backend.check(service.spec)
    if (!isOpen) return yield* refuse(name, "set-up", "everything asked for before it ends", "a later call")
    const isTwice = asked.some(({ spec }) =>
      key === undefined ? spec.key === key && spec.name === name : spec.key === key
    )
    if (isTwice && key !== undefined) return yield* refuse(name, "key", "each key once in a set-up", quote(key))
    if (isTwice) return yield* refuse(name, "name", "each service once in a set-up", quote(name))
    asked.push(service)
  })
  return {
    use: { run, spawn: (spec) => Effect.flatMap(checkSingle(spec), run) },
    close: () => {
      isOpen = false
    }
  }
}

const planReload = (
  fleet: Fleet,
  marked: ReadonlyArray<Place>,
  asked: ReadonlyArray<Service>,
  keep: boolean
): Rollout.Plan => {
  const left = new Set(marked.filter((place) => place.isServing && !place.isEnded))
  const kept: Array<{ readonly place: Place; readonly spec: Resolved }> = []
  const fresh: Array<Rollout.Fresh> = []
  const retiring: Array<Place> = []
  for (const { count, spec } of asked) {
    for (let number = 0; number < count; number++) {
      const place = Array.from(left).find((one) => isAskedFor(one, spec, number))
      if (place !== undefined) left.delete(place)
      if (place !== undefined && keep && isSame(place.spec, spec)) kept.push({ place, spec })
      else {
        fresh.push({ spec, replaces: place })
        if (place !== undefined) retiring.push(place)
      }
    }
  }
  retiring.push(...left)
  return { fresh, kept, retiring, promoted: () => forget(fleet) }
}

/** Nothing is left of services that were not asked for again. */
const forget = (fleet: Fleet): void => {
  fleet.dormant.clear()
  fleet.lost.clear()
}

const isAskedFor = (place: Place, spec: Resolved, number: number): boolean =>
  spec.key === undefined
    ? place.spec.key === undefined && place.spec.name === spec.name && place.serviceOrdinal === number
    : place.spec.key === spec.key

/** A life that was begun with the one could have been begun with the other. */
const isSame = (a: Resolved, b: Resolved): boolean =>
  a.name === b.name &&
  isSameProgram(a.program, b.program) &&
  isSameRegions(a.regions, b.regions) &&
  isWatchedAlike(a, b)

const isSameProgram = (a: Resolved["program"], b: Resolved["program"]): boolean =>
  a._tag === "Direct"
    ? b._tag === "Direct" && a.program === b.program
    : b._tag === "Module" && a.url === b.url && a.exportName === b.exportName

const isSameRegions = (a: Resolved["regions"], b: Resolved["regions"]): boolean => {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
}

const isWatchedAlike = (a: Resolved, b: Resolved): boolean =>
  a.beatEveryMillis === b.beatEveryMillis &&
  isSameTime(a.healthTimeout, b.healthTimeout) &&
  isSameTime(a.progressTimeout, b.progressTimeout)

const isSameTime = (a: Duration.Duration | undefined, b: Duration.Duration | undefined): boolean =>
  a === undefined || b === undefined ? a === b : Duration.equals(a, b)

// -----------------------------------------------------------------------------
// Scale
// -----------------------------------------------------------------------------

export const scale = Effect.fnUntraced(function* (
  fleet: Fleet,
  service: string,
  count: number,
  options: ScaleOptions = {}
): Effect.fn.Return<Outcome, OperationError> {
  yield* Setting.refuseUnknown(options, { grace: true })
  const graceMillis = yield* graceMillisOf(fleet, options.grace)
  if (!Number.isInteger(count) || count < 0 || count > 1024) {
    const named = typeof service === "string" ? service : show(service)
    const wanted = "a whole number from 0 to 1024"
    return yield* new InvalidSpec({ service: named, field: "count", wanted, found: show(count) })
  }
  return yield* operate(fleet, "scale", (ticket) =>
    Effect.gen(function* () {
      const spec = specOf(fleet, service)
      if (spec !== undefined) yield* fleet.setup.backend.check(spec)
      const plan = (): Rollout.Plan | InvalidSpec => planScale(fleet, service, count)
      return yield* Rollout.run(fleet, { operation: "scale", ticket, graceMillis, plan })
    })
  )
})

/** The workers of a service, the highest number last. */
const workersOf = (fleet: Fleet, service: string): ReadonlyArray<Place> =>
  fleet.serving.filter((place) => place.spec.name === service).toSorted((a, b) => a.serviceOrdinal - b.serviceOrdinal)

const specOf = (fleet: Fleet, service: string): Resolved | undefined =>
  workersOf(fleet, service).at(-1)?.spec ?? fleet.dormant.get(service)

const planScale = (fleet: Fleet, service: string, count: number): Rollout.Plan | InvalidSpec => {
  const workers = workersOf(fleet, service)
  const spec = specOf(fleet, service)
  if (spec === undefined) return unknownService(fleet, service)
  const keyed = workers.find((place) => place.spec.key !== undefined)
  if (keyed !== undefined) {
    const found = `the key ${quote(keyed.spec.key!)}`
    return new InvalidSpec({ service, field: "key", wanted: "a service whose workers have no keys", found })
  }
  const missing = Math.max(0, count - workers.length)
  return {
    fresh: Array.from({ length: missing }, () => ({ spec })),
    kept: workers.slice(0, count).map((place) => ({ place, spec: place.spec })),
    retiring: workers.slice(count),
    promoted: () => {
      if (count === 0) fleet.dormant.set(service, spec)
    }
  }
}
