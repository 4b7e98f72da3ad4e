/**
 * What the process of a hybrid is told about its threads. In a file of its own: other workers have no use for containers.
 *
 * @internal
 */
import * as Context from "effect/Context"

/** What the threads of a process run, and how many there are. Plain: it is sent to the process. */
export interface Inner {
  readonly url: string
  readonly exportName: string
  readonly threads: number
  readonly intensity: { readonly max: number; readonly periodMillis: number }
  readonly healthTimeoutMillis: number | undefined
  readonly progressTimeoutMillis: number | undefined
}

/** Set by the process that runs this program. */
export const InnerRef = Context.Reference<Inner | undefined>("@selvedge/node/HybridInner", {
  defaultValue: () => undefined
})
