/**
 * Our side of the model checker's benchmarks; race detection is on, as it is by
 * default.
 */
import { explore, type Model, type Report, type Threads } from "@selvedge/testing/model"
import { check } from "../harness.ts"
import { notifier, ring } from "./subjects.ts"

const EXECUTIONS = 60_000

/** A warm exploration of a model that is too large to finish. */
const warm = <S, T extends Threads<S>>(model: Model<S, T>): Report => {
  let report = explore(model, { maxExecutions: EXECUTIONS })
  for (let i = 0; i < 2; i++) report = explore(model, { maxExecutions: EXECUTIONS })
  check(report._tag !== "Failed", report.failure?.message ?? "")
  return report
}

const stepsPerSecond = (report: Report): number => report.transitions / report.seconds
const executionsPerSecond = (report: Report): number => (report.executions + report.pruned) / report.seconds

export const notifierSteps = (): number => stepsPerSecond(warm(notifier(6)))
export const notifierExecutions = (): number => executionsPerSecond(warm(notifier(6)))
export const ringSteps = (): number => stepsPerSecond(warm(ring(9)))
export const ringExecutions = (): number => executionsPerSecond(warm(ring(9)))

/** Executions until the two-producer notifier is exhausted. */
export const notifierExhausted = (): number => {
  const report = explore(notifier(1))
  check(report._tag === "Exhausted", report._tag)
  return report.executions
}
