/**
 * The kill loop as a stress script; its invariants are in killLoop/loop.ts. Half of the time it recovers and must not fail; then once
 * without recovery it has to.
 *
 * @internal
 */
import { type Result, runLoop } from "./killLoop/loop.ts"

export const run = async ({ seconds, seed }: { readonly seconds: number; readonly seed: number }): Promise<Result> => {
  const shipped = await runLoop({
    seed,
    seconds: seconds * 0.5,
    kills: Number.MAX_SAFE_INTEGER,
    recovery: true,
    owner: false
  })
  const without = await runLoop({ seed, seconds: 200, kills: 20, recovery: false, owner: false })
  const violations = [...shipped.violations]
  if (without.violations.length === 0) violations.push("without recovery nothing fails: the loop cannot fail")
  return {
    ofTheSlowestJoin: shipped.ofTheSlowestJoin,
    counts: { ...shipped.counts, killsUntilItFailsWithoutRecovery: without.counts["kills"] ?? 0 },
    violations
  }
}
