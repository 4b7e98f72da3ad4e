/**
 * The conflating flag on two real threads: cleared after the read it must lose an
 * update, cleared before it must not.
 */
import { stressOnThreads } from "../../src/model/index.ts"

const module = new URL("./support/onThreads.ts", import.meta.url).href

export const run = async ({ seconds, seed }: { readonly seconds: number; readonly seed: number }) => {
  const broken = await stressOnThreads(
    { module, name: "clearAfterRead" },
    { seconds: seconds / 2, seed, stopAtFirst: true }
  )
  const fixed = await stressOnThreads({ module, name: "clearBeforeRead" }, { seconds: seconds / 2, seed })
  const violations = [...fixed.examples]
  // In a short run on a busy machine the bug may stay unseen; the counts say so.
  if (broken.violations === 0 && seconds >= 60) violations.push(`the planted bug was not seen in ${broken.runs} runs`)
  const counts = {
    brokenRuns: broken.runs,
    brokenLost: broken.violations,
    firstLostAfterMillis: Math.round(broken.firstAfter * 1000),
    fixedRuns: fixed.runs,
    fixedLost: fixed.violations,
    runsPerSecond: Math.round((broken.runs + fixed.runs) / (broken.seconds + fixed.seconds))
  }
  return { counts, violations }
}
