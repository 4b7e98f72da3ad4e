/**
 * A report as text.
 */
import type { ModelFailure, Report } from "./Model.ts"

const meaning: Record<ModelFailure["kind"], string> = {
  check: "The threads ended, and what they left behind is wrong.",
  invariant: "A state was reached that must not be.",
  deadlock: "Somebody waits, and nobody is left to wake it: a lost wake-up, or a lock never given back.",
  livelock: "Somebody spins, and nobody is left to change what it looks at.",
  "data-race":
    "Two threads use a cell, one of them without Atomics and one of them writing, and nothing orders the two. Real hardware may show old, torn or reordered values.",
  "mixed-size": "Atomic accesses of different sizes overlap and are not ordered: JavaScript promises nothing for them.",
  exception: "A thread threw.",
  "step-limit": "An execution did not end within maxSteps: an endless loop that writes, or a limit that is too low.",
  nondeterminism:
    "A thread did something else although it was told the same: it uses something outside its variables and shared memory.",
  "not-exhausted": "The search ended before it had seen everything, and this model requires that it does."
}

/**
 * A report for people: one line if nothing failed; else what failed, how to see it again, and the trace.
 *
 * @category printing
 * @since 0.1.0
 */
export const printReport = (name: string, report: Report): string => {
  const counts = `${report.executions} executions, ${report.transitions} steps, ${report.seconds.toFixed(2)} s, ${report.strategy}`
  if (report._tag !== "Failed") return `${name}: ${report._tag} (${counts})`
  const { failure } = report
  const lines = [`${name}: ${failure.kind}: ${failure.message}`, meaning[failure.kind], `(${counts})`]
  if (failure.trace !== "") lines.push("", failure.trace)
  if (failure.schedule !== "") {
    const { schedule } = failure
    lines.push(
      "",
      `Run exactly this again: explore(model, { replay: ${JSON.stringify(schedule)} }), or MODEL_REPLAY='${schedule}'`
    )
    lines.push("in the environment of a test written with it.model.")
  }
  return lines.join("\n")
}
