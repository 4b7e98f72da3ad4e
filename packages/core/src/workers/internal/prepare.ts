/**
 * From a specification to places: everything that can be refused is refused here, before anything has begun.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Setting from "../../config/Setting.ts"
import { show } from "../../internal/show.ts"
import type { Child, Role } from "../Child.ts"
import * as ChildSpec from "../ChildSpec.ts"
import { ContainerStopping, InvalidSpec, OrdinalsExhausted, type SpawnError } from "../ContainerError.ts"
import * as Parallelism from "../Parallelism.ts"
import type { Fleet, Want } from "./fleet.ts"
import { begin } from "./lives.ts"
import type { Place } from "./place.ts"

export const checkGrace = Setting.durationOption("grace", { min: 0, max: "1 hour" })

/** A grace for one stop, in milliseconds. One that cannot be is a mistake in the program: a stop cannot fail. */
export const graceOf = (grace: Duration.Input): Effect.Effect<number> =>
  Effect.orDie(Effect.map(checkGrace(grace), Duration.toMillis))

export const whenClosed = (fleet: Fleet, service: string): ContainerStopping | undefined =>
  fleet.phase === "Open"
    ? undefined
    : new ContainerStopping({ service, state: fleet.phase === "Stopping" ? "stopping" : "stopped" })

/** A checked service. */
export interface Service {
  readonly spec: ChildSpec.Resolved
  readonly count: number
}

/** Checks a service on its own. */
export const checkService = Effect.fnUntraced(function* (
  service: ChildSpec.ServiceSpec
): Effect.fn.Return<Service, SpawnError> {
  const { count: given, ...rest } = { ...service }
  const isObject = typeof service === "object" && service !== null
  const spec = yield* ChildSpec.resolve(isObject ? rest : service)
  const count = yield* Parallelism.count(spec.key === undefined ? given : (given ?? 1))
  if (spec.key !== undefined && count > 1) {
    const found = `a count of ${count}`
    return yield* new InvalidSpec({ service: spec.name, field: "key", wanted: "a count of 1", found })
  }
  return { spec, count }
})

/** What is to be one worker, as a service: a count in it would be without effect. */
export const checkSingle = (spec: ChildSpec.ChildSpec): Effect.Effect<ChildSpec.ServiceSpec, InvalidSpec> => {
  if (typeof spec !== "object" || spec === null) return Effect.succeed(spec)
  const { count, name }: ChildSpec.ServiceSpec = spec
  if (count === undefined || count === 1) return Effect.succeed({ ...spec, count: 1 })
  const service = typeof name === "string" ? name : show(name)
  return Effect.fail(
    new InvalidSpec({ service, field: "count", wanted: "no count: run starts several", found: show(count) })
  )
}

/** Checks everything that can be checked and takes the places, which are put to use in the same turn. */
export const prepare = Effect.fnUntraced(function* <A>(
  fleet: Fleet,
  specs: ReadonlyArray<ChildSpec.ServiceSpec>,
  use: (places: ReadonlyArray<Place>) => A
): Effect.fn.Return<A, SpawnError> {
  const services = yield* Effect.forEach(specs, checkService)
  const wants = services.flatMap(({ count, spec }) => Array.from({ length: count }, () => ({ spec })))
  const { backend, pool } = fleet.setup
  const free = (pool.capacity ?? Infinity) - pool.takenUnsafe()
  if (wants.length > free) return yield* new OrdinalsExhausted({ capacity: pool.capacity! })
  for (const { spec } of services) yield* backend.check(spec)
  return yield* Effect.suspend((): Effect.Effect<A, SpawnError> => {
    const taken = take(fleet, wants)
    return Array.isArray(taken) ? Effect.succeed(use(taken)) : Effect.fail(taken as SpawnError)
  })
})

/**
 * In one turn: what was checked still holds when the places are taken, and no interruption comes between that and their
 * first lives, without which a place would hold its ordinal for ever. What is `leaving` makes room for keys and for numbers
 * within a service, not for ordinals.
 */
export const take = (
  fleet: Fleet,
  wants: ReadonlyArray<Want>,
  role?: Role,
  leaving: ReadonlySet<Place> = new Set()
): ReadonlyArray<Place> | SpawnError => {
  const closed = whenClosed(fleet, wants[0]?.spec.name ?? fleet.setup.name)
  if (closed !== undefined) return closed
  // Beside a rollout who is retired may still be there, and may stay for ever: one that not even a kill has ended.
  const isFree = (place: Place): boolean => leaving.has(place) || (role === "OnTrial" && place.isDismissed)
  const isTaken = (key: string): boolean => fleet.places.some((place) => place.spec.key === key && !isFree(place))
  const clash = ChildSpec.clashOf(
    wants.map(({ spec }) => spec),
    isTaken
  )
  if (clash !== undefined) return clash
  const cramped = noRoomToRecycle(fleet, wants, leaving)
  if (cramped !== undefined) return cramped
  const places = fleet.take(wants, role, leaving)
  if (places === undefined) return new OrdinalsExhausted({ capacity: fleet.setup.pool.capacity! })
  if (role !== "OnTrial") for (const { spec } of wants) fleet.found(spec.name)
  return places
}

/** A container whose capacity its workers use up cannot have a replacement beside one of them. */
const noRoomToRecycle = (
  fleet: Fleet,
  wants: ReadonlyArray<Want>,
  leaving: ReadonlySet<Place>
): InvalidSpec | undefined => {
  const { capacity } = fleet.setup.pool
  if (capacity === undefined) return undefined
  const staying = fleet.places.filter((place) => !place.isDismissed && !leaving.has(place))
  const specs = [...staying, ...wants].map(({ spec }) => spec)
  const first = specs.find(({ recycle }) => recycle?.order === "spawn-first")
  if (first === undefined || specs.length !== capacity) return undefined
  const wanted = `"stop-first", or a capacity of more than ${capacity} for ${specs.length} worker(s) and a replacement`
  return new InvalidSpec({ service: first.name, field: "recycle.order", wanted, found: '"spawn-first"' })
}

export const start = (fleet: Fleet, spec: ChildSpec.ServiceSpec): Effect.Effect<ReadonlyArray<Child>, SpawnError> =>
  prepare(fleet, [spec], (places) => {
    const children = places.map((place) => fleet.childOf(place))
    for (const place of places) begin(fleet, place)
    return children
  })
