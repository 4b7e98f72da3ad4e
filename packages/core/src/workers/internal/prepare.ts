/**
 * From a specification to places: everything that can be refused is refused here, before anything has begun.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Setting from "../../config/Setting.ts"
import type { Child } from "../Child.ts"
import * as ChildSpec from "../ChildSpec.ts"
import { ContainerStopping, InvalidSpec, OrdinalsExhausted, type SpawnError } from "../ContainerError.ts"
import * as Parallelism from "../Parallelism.ts"
import type { Fleet } from "./fleet.ts"
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

/** Checks everything that can be checked and takes the places, which are put to use in the same turn. */
export const prepare = Effect.fnUntraced(function* <A>(
  fleet: Fleet,
  specs: ReadonlyArray<ChildSpec.ServiceSpec>,
  use: (places: ReadonlyArray<Place>) => A
): Effect.fn.Return<A, SpawnError> {
  const workers: Array<ChildSpec.Resolved> = []
  const services: Array<ChildSpec.Resolved> = []
  for (const one of specs) {
    const { count: given, ...rest } = { ...one }
    const spec = yield* ChildSpec.resolve(rest)
    const count = yield* Parallelism.count(spec.key === undefined ? given : (given ?? 1))
    if (spec.key !== undefined && count > 1) {
      const found = `a count of ${count}`
      return yield* new InvalidSpec({ service: spec.name, field: "key", wanted: "a count of 1", found })
    }
    services.push(spec)
    for (let one = 0; one < count; one++) workers.push(spec)
  }
  const { backend, pool } = fleet.setup
  const free = (pool.capacity ?? Infinity) - pool.takenUnsafe()
  if (workers.length > free) return yield* new OrdinalsExhausted({ capacity: pool.capacity! })
  for (const spec of services) yield* backend.check(spec)
  return yield* take(fleet, services, workers, use)
})

/**
 * In one turn: what was checked still holds when the places are taken, and no interruption comes between that and their
 * first lives, without which a place would hold its ordinal for ever.
 */
const take = <A>(
  fleet: Fleet,
  services: ReadonlyArray<ChildSpec.Resolved>,
  workers: ReadonlyArray<ChildSpec.Resolved>,
  use: (places: ReadonlyArray<Place>) => A
): Effect.Effect<A, SpawnError> =>
  Effect.suspend((): Effect.Effect<A, SpawnError> => {
    const closed = whenClosed(fleet, services[0]?.name ?? fleet.setup.name)
    if (closed !== undefined) return Effect.fail(closed)
    const clash = ChildSpec.clashOf(services, (key) => fleet.places.some((place) => place.spec.key === key))
    if (clash !== undefined) return Effect.fail(clash)
    const places = fleet.take(workers)
    return places === undefined
      ? Effect.fail(new OrdinalsExhausted({ capacity: fleet.setup.pool.capacity! }))
      : Effect.succeed(use(places))
  })

export const start = (fleet: Fleet, spec: ChildSpec.ServiceSpec): Effect.Effect<ReadonlyArray<Child>, SpawnError> =>
  prepare(fleet, [spec], (places) => {
    const children = places.map((place) => fleet.childOf(place))
    for (const place of places) begin(fleet, place)
    return children
  })
