/**
 * Shipped models of death, their threads as processes under SIGKILL: producers of the ring and of the notifier's queue, its poller, one
 * that sleeps in another process, and threads that count. Then two of them without recovery, which have to fail.
 *
 * Processes take their time to start, so a short run has time for some of them only; the seed says which.
 */
import * as ModelProcesses from "@selvedge/testing/processes/ModelProcesses"
import * as Effect from "effect/Effect"

const SHIPPED = [
  ["../ringDeath.model", "one"],
  ["../notifier.model", "deathOfTwoProducers"],
  ["../ringDeath.model", "bothAtOnce"],
  ["../notifier.model", "deathOfPoller"],
  ["../counter.model", "restarted"],
  ["../notifierMore.model", "deathBesideSleeper"]
] as const

const BROKEN = ["ringUnrecovered", "notifierUnrecovered"] as const

/** The first processes of a model have to start before anything happens. */
const LEAST_SECONDS = 3

export const run = async ({ seconds, seed }: { readonly seconds: number; readonly seed: number }) => {
  const violations: Array<string> = []
  const counts: Record<string, number> = { rounds: 0, kills: 0, instances: 0, diedInside: 0, diedBefore: 0 }
  const kill = (file: string, name: string, share: number, stopAtFirst: boolean) => {
    const options = { seconds: Math.max(seconds * share, LEAST_SECONDS), seed, stopAtFirst }
    const { href } = new URL(`${file}.ts`, import.meta.url)
    return Effect.runPromise(ModelProcesses.killOnProcesses({ module: href, name }, options))
  }
  const start = performance.now()
  const isOver = (share: number): boolean => performance.now() - start > seconds * 1000 * share
  for (let i = 0; i < SHIPPED.length && !isOver(0.7); i++) {
    const [file, name] = SHIPPED[(seed + i) % SHIPPED.length]!
    const report = await kill(file, name, 0.12, false)
    for (const key of ["rounds", "kills", "instances", "diedInside", "diedBefore"] as const) {
      counts[key] = counts[key]! + report[key]
    }
    counts[`kills of ${file.slice(3, -6)} ${name}`] = report.kills
    violations.push(...report.examples.map((text) => `${file} ${name}: ${text}`))
  }
  for (let i = 0; i < BROKEN.length && !(i > 0 && isOver(1)); i++) {
    const name = BROKEN[(seed + i) % BROKEN.length]!
    const report = await kill("./unrecovered", name, 0.14, true)
    counts[`violations of ${name}`] = report.violations
    counts[`kills of ${name}`] = report.kills
    // A short run on a busy machine may kill nobody at the right moment; the counts say so.
    if (report.violations === 0 && seconds >= 60) violations.push(`${name} does not fail: nothing here can`)
  }
  return { counts, violations }
}
