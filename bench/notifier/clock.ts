/**
 * What one operation of a few nanoseconds costs on a machine that others use too.
 *
 * The processor time of a thread is counted in ticks of four milliseconds on some kernels, which is longer than most of these
 * batches. So wall time it is, of many batches that are short beside a turn of the scheduler, and of these the lower quartile: a
 * batch in which somebody else ran is not among them.
 */

/** Nanoseconds per operation: `timed` does `operations` of them, after an untimed `prepare`. */
export const quartile = (options: {
  readonly operations: number
  readonly batches: number
  readonly prepare?: () => void
  readonly timed: () => void
}): number => {
  const { batches, operations, prepare, timed } = options
  const times: Array<number> = []
  // As many again before, for the compiler.
  for (let i = -batches; i < batches; i++) {
    prepare?.()
    const begin = process.hrtime.bigint()
    timed()
    const nanos = Number(process.hrtime.bigint() - begin)
    if (i >= 0) times.push(nanos)
  }
  return times.toSorted((a, b) => a - b)[batches >> 2]! / operations
}
