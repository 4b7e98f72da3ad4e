/**
 * Makes a thread of a model slow at its atomic operations, now and then: what takes a microsecond is hardly ever hit by a kill, and hardly
 * ever seen half done by another process. The operations themselves are the host's.
 *
 * A short delay is an empty loop. A long one sleeps, so that on a busy machine, too, somebody else is running meanwhile: the one
 * who kills, for example.
 *
 * @internal
 */

/** One operation in so many is delayed a little, and one in so many for long. */
const SHORT_EVERY = 2
const LONG_EVERY = 12
/** Turns of the loop, at most; some microseconds. */
const MOST_TURNS = 5000
const MOST_TENTHS_OF_MILLIS = 20

interface Pace {
  on: boolean
  random: (below: number) => number
}

type Operation = (...args: ReadonlyArray<never>) => unknown

/** Replaces the functions of `Atomics` for this process; answers the switch, which is off. */
export const dawdle = (): Pace => {
  const pace: Pace = { on: false, random: () => 0 }
  const { wait } = Atomics
  const nap = new Int32Array(new SharedArrayBuffer(4))
  const delay = (): void => {
    if (pace.random(LONG_EVERY) === 0) wait(nap, 0, 0, pace.random(MOST_TENTHS_OF_MILLIS) / 10)
    else if (pace.random(SHORT_EVERY) === 0) for (let turns = pace.random(MOST_TURNS); turns > 0; turns--);
  }
  const atomics = Atomics as unknown as Record<string, Operation>
  for (const name of Object.getOwnPropertyNames(Atomics)) {
    const own = atomics[name]
    if (typeof own !== "function") continue
    atomics[name] = (...args) => {
      if (pace.on) delay()
      return own(...args)
    }
  }
  return pace
}
