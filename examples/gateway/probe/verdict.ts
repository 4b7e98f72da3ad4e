/**
 * What a readiness probe makes of its answers, by the rules of Kubernetes, and what it must not see.
 *
 * A container is ready after one success and not ready after `threshold` failures in a row. An answer from 200 to 399 is a
 * success; anything else, no connection, or no answer within the timeout is a failure.
 *
 * **Violations**
 *
 * 1. The container was ready, nobody had sent it a SIGTERM, and it became not ready.
 * 2. It was never ready.
 * 3. The first probe that began after the SIGTERM was a success: it comes at most one period later.
 * 4. No 503 was seen after the SIGTERM, where one was asked for (`needs503`): with a drain delay of a period there is one.
 * 5. A request in flight at the SIGTERM was not answered in full.
 * 6. The process was still there when the grace was over.
 */

/** One probe; times in milliseconds since the first one began. */
export interface Sample {
  readonly atMillis: number
  /** The status, or why there was none: `refused`, `timeout`, `broken`. */
  readonly answer: number | "refused" | "timeout" | "broken"
}

/** What was seen around a SIGTERM. */
export interface Termination {
  readonly atMillis: number
  /** When the process was gone; undefined if it was not within the grace. */
  readonly goneAtMillis: number | undefined
  readonly inFlight: number
  readonly answered: number
}

export interface Rules {
  readonly threshold: number
  readonly needs503: boolean
}

export interface Verdict {
  readonly probes: number
  readonly succeeded: number
  readonly answers: Readonly<Record<string, number>>
  /** How often the container became not ready. */
  readonly unready: number
  readonly mostFailuresInARow: number
  /** From the SIGTERM to the first failed probe's begin, and what it was. */
  readonly notReadyAfterMillis: number | null
  readonly notReadyBy: string | null
  readonly goneAfterMillis: number | null
  readonly violations: ReadonlyArray<string>
}

export const isSuccess = ({ answer }: Sample): boolean => typeof answer === "number" && answer >= 200 && answer < 400

/** Walks through the probes as the kubelet does. */
const readiness = (samples: ReadonlyArray<Sample>, threshold: number) => {
  let [ready, ever, row, longest, unready] = [false, false, 0, 0, 0]
  for (const sample of samples) {
    row = isSuccess(sample) ? 0 : row + 1
    longest = Math.max(longest, row)
    if (row === 0) ready = ever = true
    if (ready && row >= threshold) {
      ready = false
      unready++
    }
  }
  return { ever, longest, unready }
}

const afterTerm = (samples: ReadonlyArray<Sample>, term: Termination, rules: Rules): Array<string> => {
  const [first] = samples
  const lost = term.inFlight - term.answered
  const gone = term.goneAtMillis !== undefined
  return [
    ...(first === undefined && !gone ? ["no probe after the SIGTERM"] : []),
    ...(first !== undefined && isSuccess(first) ? ["the first probe after the SIGTERM was a success"] : []),
    ...(rules.needs503 && !samples.some(({ answer }) => answer === 503) ? ["no 503 after the SIGTERM"] : []),
    ...(lost > 0 ? [`${lost} of ${term.inFlight} request(s) in flight at the SIGTERM were not answered`] : []),
    ...(gone ? [] : ["the process was still there at the end of the grace"])
  ]
}

export const judge = (samples: ReadonlyArray<Sample>, term: Termination | undefined, rules: Rules): Verdict => {
  const at = term?.atMillis ?? Number.POSITIVE_INFINITY
  const [before, after] = [samples.filter((one) => one.atMillis < at), samples.filter((one) => one.atMillis >= at)]
  const { ever, longest, unready } = readiness(before, rules.threshold)
  const firstFailure = after.find((sample) => !isSuccess(sample))
  const answers: Record<string, number> = {}
  for (const { answer } of samples) answers[answer] = (answers[answer] ?? 0) + 1
  const violations = [
    ...(ever ? [] : ["never ready"]),
    ...(unready > 0 ? [`became not ready ${unready} time(s) by ${rules.threshold} failures in a row`] : []),
    ...(term === undefined ? [] : afterTerm(after, term, rules))
  ]
  return {
    probes: samples.length,
    succeeded: samples.filter(isSuccess).length,
    answers,
    unready,
    mostFailuresInARow: longest,
    notReadyAfterMillis: firstFailure === undefined ? null : Math.round(firstFailure.atMillis - at),
    notReadyBy: firstFailure === undefined ? null : String(firstFailure.answer),
    goneAfterMillis: term?.goneAtMillis === undefined ? null : Math.round(term.goneAtMillis - at),
    violations
  }
}
