/**
 * A planted bug: a small algorithm with a well-known mistake, and the same one
 * without it. The explorer must find the first and exhaust the second.
 */
import { defineModel, type FailureKind, type Model, type Setup, type Threads } from "@selvedge/testing/model"

export interface Pair {
  readonly name: string
  /** What the explorer has to call it. */
  readonly kind: FailureKind
  readonly broken: Model<unknown, Threads<unknown>>
  readonly fixed: Model<unknown, Threads<unknown>>
}

export const pair = <S, T extends Threads<S>>(
  name: string,
  kind: FailureKind,
  make: (fixed: boolean) => Model<S, T>
): Pair => ({
  name,
  kind,
  broken: defineModel(make(false)) as unknown as Model<unknown, Threads<unknown>>,
  fixed: defineModel(make(true)) as unknown as Model<unknown, Threads<unknown>>
})

/** Named words of shared memory. */
export const words =
  (...names: ReadonlyArray<string>) =>
  (m: Setup): Int32Array => {
    const view = new Int32Array(new SharedArrayBuffer(names.length * 4))
    m.label(view, names)
    return view
  }
