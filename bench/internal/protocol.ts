/**
 * What a child of the benchmark runner tells its parent.
 *
 * @internal
 */
import type { Sample } from "../harness.ts"

/** Exactly one is sent per child. */
export type Answer = { readonly sample: Sample } | { readonly error: string }
