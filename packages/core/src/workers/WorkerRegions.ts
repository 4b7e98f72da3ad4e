/**
 * Shared memory handed to a worker by name: rings, notifiers and slots it did not make itself.
 *
 * Fibers and threads of one process get the very same memory. A backend that cannot hand memory over refuses a worker that
 * asks for it with `MappingUnavailable`, before it starts.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { quote } from "../internal/quote.ts"

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
    const region = Object.hasOwn(regions, name) ? regions[name] : undefined
    return region === undefined
      ? Effect.fail(new RegionMissing({ name, given: Object.keys(regions) }))
      : Effect.succeed(region)
  })
