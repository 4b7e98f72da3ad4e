/**
 * Shared memory handed to a worker by name: rings, notifiers and slots it did not make itself.
 *
 * Fibers and threads of one process get the very same memory; processes get it where it is mapped from a file. A backend that cannot
 * hand memory over refuses a worker that asks for it with `MappingUnavailable`, before it starts.
 *
 * **Owners.** What one life of a worker has in a ring belongs to a number, its _owner_, and is recovered by that number when the life has
 * ended. In mapped memory the platform gives the number, proves the death, and tells whoever recovers the region; in the memory of one
 * process it is computed from who the worker is, so that the supervisor knows it too.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { quote } from "../internal/quote.ts"
import { show } from "../internal/show.ts"
import type { Handle } from "../ring/Ring.ts"
import { type Facts, WorkerContext } from "./WorkerContext.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type Regions = Readonly<Record<string, SharedArrayBuffer>>

/**
 * The regions of this worker; none in a program that nobody gave any.
 *
 * @category services
 * @since 0.1.0
 */
export const WorkerRegions: Context.Reference<Regions> = Context.Reference<Regions>("@selvedge/core/WorkerRegions", {
  defaultValue: () => ({})
})

/**
 * A program asked for a region that it was not given.
 *
 * @category errors
 * @since 0.1.0
 */
export class RegionMissing extends Schema.TaggedError<RegionMissing>()("RegionMissing", {
  name: Schema.String,
  given: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const given = this.given.length === 0 ? "none" : this.given.map(quote).join(", ")
    return `wanted a shared region called ${quote(this.name)}, found ${given}`
  }
}

/**
 * One region by its name.
 *
 * **Errors**
 *
 * - `RegionMissing`: nothing of that name was given to this worker.
 *
 * @category operations
 * @since 0.1.0
 */
export const get = (name: string): Effect.Effect<SharedArrayBuffer, RegionMissing> =>
  Effect.flatMap(WorkerRegions, (regions) => {
    const region = typeof name === "string" && Object.hasOwn(regions, name) ? regions[name] : undefined
    return region === undefined
      ? Effect.fail(
          new RegionMissing({ name: typeof name === "string" ? name : show(name), given: Object.keys(regions) })
        )
      : Effect.succeed(region)
  })

// -----------------------------------------------------------------------------
// Owners
// -----------------------------------------------------------------------------

const FIRST_OWNER = 2 ** 29
const ORDINALS = 2 ** 10
const GENERATIONS = 2 ** 19

/**
 * The owner of whatever one life of a worker has in rings in the memory of its process, for `Container.make({ recover })`.
 *
 * **Details**: below what mapped memory gives and far above what a ring counts by itself. It is used again after 2^19 lives of an ordinal; ordinals
 * are below 2^10.
 *
 * **Example** (A supervisor that recovers a ring from its workers)
 *
 * ```ts
 * import { Container, type Ring, WorkerRegions } from "@selvedge/core"
 *
 * const supervised = <A>(ring: Ring.Ring<A>, recover: typeof Ring.recover) =>
 *   Container.make({ recover: (dead) => recover(ring, WorkerRegions.ownerOf(dead)) })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const ownerOf = ({ generation, ordinal }: Pick<Facts, "generation" | "ordinal">): number =>
  FIRST_OWNER + (generation % GENERATIONS) * ORDINALS + (ordinal % ORDINALS)

/**
 * The owner that the platform has given this life in a region: in mapped memory; for platforms.
 *
 * @category services
 * @since 0.1.0
 */
export const GivenOwner: Context.Reference<(memory: SharedArrayBuffer) => number | undefined> = Context.Reference<
  (memory: SharedArrayBuffer) => number | undefined
>("@selvedge/core/GivenOwner", { defaultValue: () => () => undefined })

/**
 * What this worker attaches to the ring in a region with. It is the same in fibers, threads and processes.
 *
 * **Errors**
 *
 * - `RegionMissing`: nothing of that name was given to this worker.
 *
 * **Gotchas**: a worker that is a fiber has no death that others could see. What it has in mapped memory is recovered at its end by its
 * container's `recover` with `ownerOf`, and by nobody if its process is killed.
 *
 * **Example** (A consumer in whatever kind of worker)
 *
 * ```ts
 * import { Consumer, Record, Ring, WorkerRegions } from "@selvedge/core"
 * import { Effect } from "effect"
 *
 * const Tick = Record.struct({ price: Record.f64, size: Record.i32 })
 *
 * const consumer = Effect.gen(function* () {
 *   const ring = yield* Ring.attach(yield* WorkerRegions.handle("ticks"), { record: Tick })
 *   return yield* Consumer.make(ring, { id: "totals" })
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const handle = (name: string): Effect.Effect<Handle, RegionMissing, WorkerContext> =>
  Effect.gen(function* () {
    const memory = yield* get(name)
    const given = yield* GivenOwner
    return { memory, owner: given(memory) ?? ownerOf(yield* WorkerContext) }
  })
