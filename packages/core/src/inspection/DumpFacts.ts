/**
 * What a dump has to be told by others: facts of the process and facts of the service.
 *
 * Core runs anywhere and knows neither a process id nor bytes; `@selvedge/node` provides `Platform`. The stage of a
 * service, its phase and its budget are known to `Main`, which provides `Service`. The defaults know nothing.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DumpSchema from "./DumpSchema.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface PlatformFacts {
  readonly process: typeof DumpSchema.ProcessFacts.Type | null
  readonly memory: Omit<typeof DumpSchema.MemoryFacts.Type, "regions"> | null
}

/**
 * Asked once for each dump.
 *
 * @category services
 * @since 0.1.0
 */
export const Platform: Context.Reference<() => PlatformFacts> = Context.Reference<() => PlatformFacts>(
  "@selvedge/core/DumpPlatform",
  { defaultValue: () => () => ({ process: null, memory: null }) }
)

/**
 * Asked once for each dump; null where there is no service.
 *
 * @category services
 * @since 0.1.0
 */
export const Service: Context.Reference<() => DumpSchema.ServiceFacts | null> = Context.Reference<
  () => DumpSchema.ServiceFacts | null
>("@selvedge/core/DumpService", { defaultValue: () => () => null })
