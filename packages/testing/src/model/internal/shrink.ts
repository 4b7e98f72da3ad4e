/**
 * A failing order made easier to read: the same failure with fewer switches between threads, then with fewer steps,
 * found by greed within a bound of tries and time.
 *
 * @internal
 */
import { native } from "./natives.ts"

const ATTEMPTS = 400
const MILLIS = 2000

/** Something that yields only where an execution has to be awaited. */
export type Run<A> = Generator<Promise<void>, A>

interface Failing {
  readonly path: ReadonlyArray<number>
  readonly choices: ReadonlyArray<number>
}

/** The best found. `replay` runs a path and gives the failure if it is still the same one. */
export const shrink = function* <F extends Failing>(
  found: F,
  replay: (path: ReadonlyArray<number>, choices: ReadonlyArray<number>) => Run<F | undefined>
): Run<F> {
  const until = native.performanceNow() + MILLIS
  let best = found
  let attempts = 0
  for (let improved = true; improved;) {
    improved = false
    for (const candidate of neighbours(best.path)) {
      if (++attempts > ATTEMPTS || native.performanceNow() > until) return best
      const failed = yield* replay(candidate, best.choices)
      if (failed === undefined || cost(failed.path) >= cost(best.path)) continue
      best = failed
      improved = true
      break
    }
  }
  return best
}

/** Switches first, then length. */
const cost = (path: ReadonlyArray<number>): number => {
  let switches = 0
  for (let i = 1; i < path.length; i++) if (path[i] !== path[i - 1]) switches++
  return switches * 1_000_000 + path.length
}

/** Paths with two neighbouring runs exchanged, and with a run left out. */
const neighbours = function* (path: ReadonlyArray<number>): Generator<ReadonlyArray<number>> {
  const runs: Array<ReadonlyArray<number>> = []
  for (let i = 0; i < path.length;) {
    let j = i
    while (j < path.length && path[j] === path[i]) j++
    runs.push(path.slice(i, j))
    i = j
  }
  for (let i = 0; i + 1 < runs.length; i++) {
    yield [...runs.slice(0, i), runs[i + 1] ?? [], runs[i] ?? [], ...runs.slice(i + 2)].flat()
  }
  for (let i = 0; i < runs.length; i++) yield [...runs.slice(0, i), ...runs.slice(i + 1)].flat()
}
