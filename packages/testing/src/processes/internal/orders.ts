/**
 * What is said between the one who kills and the processes that are threads of a model.
 *
 * @internal
 */
import type { Packed } from "./packing.ts"

/** Where the memory is, and what to run on it. */
export interface Place {
  readonly directory: string
  readonly space: string
  readonly module: string
  readonly model: string
  /** Names of the threads, in order. */
  readonly threads: ReadonlyArray<string>
  readonly states: ReadonlyArray<Packed>
  readonly regions: number
}

export type Order =
  | ({ readonly _tag: "Join" } & Place)
  /** Runs one thread on every instance; `after` is the number of the one it waits for, or -1. */
  | { readonly _tag: "Go"; readonly thread: number; readonly after: number; readonly seed: number }

export type Said =
  | { readonly _tag: "Joined" }
  | { readonly _tag: "Done" }
  | { readonly _tag: "Threw"; readonly instance: number; readonly message: string }
  | { readonly _tag: "Unfit"; readonly message: string }

export const PROGRESS = "progress"

export const regionName = (index: number): string => `memory-${index}`

export const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error))
