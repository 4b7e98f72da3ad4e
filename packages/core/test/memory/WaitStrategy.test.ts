/**
 * What a dedicated thread does while it waits.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"

const bed = () => ({ words: new Int32Array(new SharedArrayBuffer(8)), stateWord: 0, bit: 2, bellWord: 1 })

describe("BlockingWait", () => {
  const strategies = [WaitStrategy.spin, WaitStrategy.backoff, WaitStrategy.sleep(1), WaitStrategy.park]
  for (const strategy of strategies) {
    it(`${strategy._tag} looks until it is ready, and then ends [R10]`, () => {
      let looks = 0
      new WaitStrategy.BlockingWait(strategy).until(
        bed(),
        () => ++looks >= 4,
        () => undefined
      )
      // One that was about to sleep may look once more.
      assert.include([4, 5], looks)
    })
  }

  it("a thread that sleeps has set its bit, marks itself, and looks again before it does [R10]", () => {
    const place = bed()
    const marks: Array<boolean> = []
    const wait = new WaitStrategy.BlockingWait(WaitStrategy.sleep(1))
    wait.until(
      place,
      () => marks.length >= 4,
      (asleep) => {
        assert.strictEqual(place.words[0], 2)
        marks.push(asleep)
      }
    )
    assert.deepStrictEqual(marks, [true, false, true, false])
    let looks = 0
    wait.until(
      bed(),
      () => ++looks >= 2,
      () => assert.fail("it was ready at the second look")
    )
  })

  it("park learns: it spins longer after a spin that found something, shorter after one that had to sleep [R10]", () => {
    const wait = new WaitStrategy.BlockingWait(WaitStrategy.park)
    const looksUntilAsleep = (): number => {
      let looks = 0
      let isAsleep = false
      const place = bed()
      wait.until(
        place,
        () => {
          if (!isAsleep) looks++
          return isAsleep
        },
        () => {
          isAsleep = true
          // Whoever rings has moved the bell.
          place.words[1] = 1
        }
      )
      return looks
    }
    const first = looksUntilAsleep()
    assert.isBelow(looksUntilAsleep(), first)
    for (let i = 0; i < 6; i++) {
      let looks = 0
      wait.until(
        bed(),
        () => ++looks >= 3,
        () => undefined
      )
    }
    assert.isAbove(looksUntilAsleep(), first)
  })

  it("a sleep of no time at all is refused [R10]", () => {
    for (const millis of [0, -1, Number.NaN]) {
      assert.throws(() => WaitStrategy.sleep(millis), `wanted milliseconds above 0, found ${millis}`)
    }
  })

  it("gathering asks for a whole number of records [R10]", () => {
    for (const gather of [0, -1, 1.5, Number.NaN]) {
      const error = () => Consumer.waitWith(WaitStrategy.spin, { gather })
      assert.throws(error, `gather: wanted a whole number above 0, found ${gather}`)
    }
  })

  it("gathering gives producers a while unless there is enough, and is nothing by default [R10]", () => {
    const pause = Reflect.get(Atomics, "pause")
    let pauses = 0
    Reflect.set(Atomics, "pause", () => void pauses++)
    try {
      new WaitStrategy.BlockingWait(WaitStrategy.spin).gathering(() => assert.fail("nothing was to be gathered"))
      const wait = new WaitStrategy.BlockingWait(WaitStrategy.spin, 4)
      wait.gathering(() => true)
      assert.strictEqual(pauses, 0)
      let looks = 0
      wait.gathering(() => ++looks > 1)
      assert.deepStrictEqual([looks, pauses], [1, 128])
    } finally {
      Reflect.set(Atomics, "pause", pause)
    }
  })
})
