/**
 * Recycling: sees that a life has reached a limit, asks the policy, and replaces it in its turn.
 *
 * ```text
 *   ready ──▶ looked at ──limit──▶ due ──policy──▶ waits for its turn ──▶ replaced
 *               ▲                    └ wait, or it failed ┐
 *               └────── 1 s, doubling up to 1 min ◀───────┘
 * ```
 *
 * **Invariants**
 *
 * 1. A life is due once at a time, and only while it is ready and serves. One that is on trial is looked at when it is promoted.
 * 2. `spawn-first` is a rollout of one: until the replacement is ready nothing is taken from the service.
 * 3. `stop-first` stops and begins the same place; its end is no failure of its own, and its next life is ready, or has ended,
 *    before another recycling begins.
 * 4. A limit of memory below what a program needs has it replaced at most once a minute in the long run: from the third life in a row on that
 *    was above it within seconds, each serves for longer before it is replaced for its memory.
 *
 * @internal
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Failure from "../../internal/failure.ts"
import type { OperationError } from "../Operations.ts"
import type { Limit, Resolved } from "../Recycle.ts"
import type { Fleet, Ticket } from "./fleet.ts"
import type { Life } from "./life.ts"
import { begin } from "./lives.ts"
import { giveUp, isOver, operate } from "./operations.ts"
import type { Place } from "./place.ts"
import * as Rollout from "./rollout.ts"
import * as Stopping from "./stopping.ts"

/** How often the memory of a worker is looked at. */
const LOOK_MILLIS = 1000
const MIB = 1_048_576
const MAX_REST_MILLIS = 60_000
/** A life that is above its limit of memory so soon has not grown: it needs as much. */
const AT_ONCE_MILLIS = 10_000
/** So many such lives in a row are believed to be chance. */
const CHANCE = 2

const isCandidate = (place: Place, life: Life): boolean => place.life === life && place.takesRequests

/** Looks whether a life has reached one of its limits; called whenever that may have changed. */
export const look = (fleet: Fleet, place: Place): void => {
  const { life, spec } = place
  if (life === undefined || spec.recycle === undefined || life.age.isDue || !isCandidate(place, life)) return
  const now = fleet.nowMillis()
  const limit = reached(fleet, place, life, spec.recycle, now)
  if (limit !== undefined && now >= life.age.restUntil) return due(fleet, place, life, limit)
  const next = nextLook(life, spec.recycle, now)
  if (next !== undefined) fleet.arm(life.age, next, () => look(fleet, place))
}

const reached = (fleet: Fleet, place: Place, life: Life, limits: Resolved, now: number): Limit | undefined => {
  const { age, signs } = life
  // A reload may have brought a kept worker other limits.
  if (age.limits !== limits) {
    const { jitter, maxLifetimeMillis } = limits
    age.limits = limits
    age.lifetimeMillis = maxLifetimeMillis && Math.ceil(maxLifetimeMillis * (1 - jitter * chance(fleet)))
  }
  if (age.lifetimeMillis !== undefined && now - (age.readyAt ?? now) >= age.lifetimeMillis) return "lifetime"
  if (limits.maxRequests !== undefined && age.requests >= limits.maxRequests) return "requests"
  if (limits.maxMemory === undefined) return undefined
  signs.look(now)
  const isAbove = signs.memoryBytes !== undefined && signs.memoryBytes > limits.maxMemory
  age.outgrownAt = isAbove ? (age.outgrownAt ?? now) : undefined
  if (!isAbove) return undefined
  return now - (age.readyAt ?? now) < servesAtLeast(place) ? undefined : "memory"
}

/** How long a life serves, whatever memory it uses. */
const servesAtLeast = ({ outgrownInARow }: Place): number =>
  outgrownInARow < CHANCE ? 0 : Math.min(MAX_REST_MILLIS, AT_ONCE_MILLIS * 2 ** (outgrownInARow - CHANCE))

/** How many lives in a row, this one included, have outgrown their memory at once. */
const outgrownInARow = (place: Place, { age }: Life): number =>
  age.outgrownAt !== undefined && age.outgrownAt - (age.readyAt ?? 0) < AT_ONCE_MILLIS ? place.outgrownInARow + 1 : 0

const chance = (fleet: Fleet): number => Context.get(fleet.setup.context, Random.Random).nextDoubleUnsafe()

const nextLook = (life: Life, limits: Resolved, now: number): number | undefined => {
  const { age } = life
  const times = [
    ...(age.restUntil > now ? [age.restUntil - now] : []),
    ...(age.lifetimeMillis === undefined ? [] : [(age.readyAt ?? now) + age.lifetimeMillis - now]),
    ...(limits.maxMemory === undefined ? [] : [LOOK_MILLIS])
  ].filter((time) => time > 0)
  // What is left of a sum of fractions must not be waited for again and again.
  return times.length === 0 ? undefined : Math.ceil(Math.min(...times))
}

const due = (fleet: Fleet, place: Place, life: Life, limit: Limit): void => {
  life.age.isDue = true
  fleet.disarm(life.age)
  const { recycling } = fleet.setup.policy
  const call = recycling && (() => recycling({ ...fleet.eventOf(place), limit }))
  fleet.hooks.ask("recycling", call, ["recycle", "wait"], (decided) => {
    if (!isCandidate(place, life)) return
    if (decided === "wait") return rest(fleet, place, life)
    fleet.log(Effect.logInfo(`${fleet.nameOf(place)} is recycled: it has reached its limit of ${limit}`))
    if (limit === "memory") warn(fleet, place, outgrownInARow(place, life))
    const { memoryBytes } = life
    const holds = limit === "memory" && memoryBytes !== undefined ? `, ${(memoryBytes / MIB).toFixed(1)} MiB` : ""
    fleet.note(place, "recycled", `it has reached its limit of ${limit}${holds}: to be replaced`)
    const died = (cause: Cause.Cause<never>): Effect.Effect<void> =>
      Failure.log(`the recycling of ${fleet.nameOf(place)} died`, cause)
    fleet.run(Effect.catchCause(replace(fleet, place, life), died))
  })
}

const warn = (fleet: Fleet, place: Place, inARow: number): void => {
  if (inARow <= CHANCE) return
  const limit = ((place.spec.recycle?.maxMemory ?? 0) / MIB).toFixed(1)
  const text =
    `${fleet.nameOf(place)} is the life number ${inARow} in a row above its limit of memory within ${AT_ONCE_MILLIS / 1000} s of its start: ` +
    `recycle.maxMemory, ${limit} MiB, is less than the program needs`
  fleet.log(Effect.logWarning(text))
}

/** It is let be for a while, and looked at again then. */
const rest = (fleet: Fleet, place: Place, life: Life): void => {
  const { age } = life
  age.isDue = false
  age.restUntil = fleet.nowMillis() + Math.min(MAX_REST_MILLIS, 1000 * 2 ** age.tries)
  age.tries += 1
  look(fleet, place)
}

const replace = (fleet: Fleet, place: Place, life: Life): Effect.Effect<void> => {
  const isFirst = place.spec.recycle?.order !== "stop-first"
  const body = (ticket: Ticket): Effect.Effect<unknown, OperationError> =>
    Effect.suspend(() => {
      if (!isCandidate(place, life)) return Effect.void
      return isFirst ? spawnFirst(fleet, ticket, place, life) : stopFirst(fleet, ticket, place, life)
    })
  return operate(fleet, "recycle", body, true).pipe(
    Effect.asVoid,
    Effect.catch((error) =>
      Effect.suspend(() => {
        if (error._tag === "ContainerStopping" || !isCandidate(place, life)) return Effect.void
        rest(fleet, place, life)
        return Effect.logWarning(`${fleet.nameOf(place)} was not recycled and serves on: ${error.message}`)
      })
    )
  )
}

const count = (fleet: Fleet): void => fleet.counts.add("recycles", fleet.nowMillis())

const spawnFirst = (fleet: Fleet, ticket: Ticket, place: Place, life: Life): Effect.Effect<unknown, OperationError> => {
  const plan = (): Rollout.Plan => ({
    fresh: [{ spec: place.spec, replaces: place }],
    kept: [],
    retiring: [place],
    promoted: ([next]) => {
      count(fleet)
      if (next !== undefined) next.outgrownInARow = outgrownInARow(place, life)
    }
  })
  return Rollout.run(fleet, { operation: "recycle", ticket, graceMillis: fleet.setup.graceMillis, plan })
}

const stopFirst = (fleet: Fleet, ticket: Ticket, place: Place, life: Life): Effect.Effect<unknown, OperationError> =>
  Effect.gen(function* () {
    place.inGroup = true
    yield* Stopping.stopPlaces(fleet, [place], Stopping.limits(fleet, fleet.setup.graceMillis, "recycled"), false)
    // One that not even a kill has ended is on its own; its exit is decided on when it comes.
    if (place.isLive) place.inGroup = false
    // A restart of its group begins it in its order.
    yield* fleet.watchers.until(
      () => !fleet.group.running || place.state._tag !== "BackingOff" || isOver(fleet, ticket)
    )
    if (isOver(fleet, ticket)) return yield* giveUp(fleet)
    if (place.isLive || !place.isServing || place.state._tag !== "BackingOff") return
    place.outgrownInARow = outgrownInARow(place, life)
    begin(fleet, place)
    count(fleet)
    const next = place.life
    yield* fleet.watchers.until(() => place.isReady || place.life !== next || isOver(fleet, ticket))
  })
