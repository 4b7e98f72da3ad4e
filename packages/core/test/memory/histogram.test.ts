/**
 * Numbers of 53 bits in words of 32, and histograms of nanoseconds.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Histogram from "../../src/memory/internal/histogram.ts"
import * as Wide from "../../src/memory/internal/wide.ts"

const fresh = () => new Int32Array(new SharedArrayBuffer(Histogram.HISTOGRAM_WORDS * 4))

describe("53-bit counters", () => {
  it("adding goes on over the ends of 31 and 32 bits, and far beyond [R13]", () => {
    const words = fresh()
    let sum = 0
    for (const n of [1, 2 ** 31 - 2, 1, 2 ** 31 - 1, 1, 0, 2 ** 40 + 7, 2 ** 32 - 8, 1]) {
      Wide.add(words, 0, n)
      sum += n
      assert.strictEqual(Wide.read(words, 0), sum)
    }
  })

  it("raising keeps the greatest [R13]", () => {
    const words = fresh()
    let most = 0
    for (const n of [5, 4, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 32 - 1, 2 ** 50 + 3, 7]) {
      Wide.raise(words, 0, n)
      most = Math.max(most, n)
      assert.strictEqual(Wide.read(words, 0), most)
    }
  })

  it("a writer that died in the middle of a carry leaves a number between the two [R13]", () => {
    const words = fresh()
    Wide.add(words, 0, 2 ** 32 - 1)
    words[0] = 1
    assert.strictEqual(Wide.read(words, 0), 2 ** 32)
  })
})

describe("histograms", () => {
  it("every number from 0 to 2^40 has a bucket that holds it, at most a sixteenth of it wide [R13]", () => {
    let last = -1
    for (let bucket = 0; bucket < Histogram.BUCKET_COUNT; bucket++) {
      const greatest = Histogram.greatestOf(bucket)
      assert.strictEqual(Histogram.bucketOf(last + 1), bucket, `the least of bucket ${bucket}`)
      assert.strictEqual(Histogram.bucketOf(greatest), bucket, `the greatest of bucket ${bucket}`)
      assert.isAtMost(greatest - last - 1, (last + 1) / 16)
      last = greatest
    }
    assert.strictEqual(last, 2 ** 40 - 1)
    assert.strictEqual(Histogram.bucketOf(2 ** 52), Histogram.BUCKET_COUNT - 1)
  })

  it("quantiles are never too small and at most a sixteenth too great; the greatest and the count are exact [R13]", () => {
    const words = fresh()
    assert.deepStrictEqual(Histogram.summary(words, 0), { count: 0, p50: 0, p99: 0, max: 0 })
    for (let n = 1; n <= 1000; n++) Histogram.record(words, 0, n * 1000, 1)
    Histogram.record(words, 0, -5, 1)
    const { count, max, p50, p99 } = Histogram.summary(words, 0)
    assert.deepStrictEqual([count, max], [1001, 1_000_000])
    assert.isTrue(p50 >= 500_000 && p50 <= 500_000 * (17 / 16), `p50 is ${p50}`)
    assert.isTrue(p99 >= 990_000 && p99 <= max, `p99 is ${p99}`)
  })

  it("a single slow one in a hundred is the p99's limit, and what takes longer than 18 minutes is told exactly [R13]", () => {
    const words = fresh()
    Histogram.record(words, 0, 10, 99)
    Histogram.record(words, 0, 2 ** 45, 1)
    assert.deepStrictEqual(Histogram.summary(words, 0), { count: 100, p50: 10, p99: 10, max: 2 ** 45 })
    Histogram.record(words, 0, 2 ** 45, 1)
    assert.strictEqual(Histogram.summary(words, 0).p99, 2 ** 45)
  })

  it("a bucket that is full halves all of them: the shape stays, and so does the count [R13]", () => {
    const words = fresh()
    for (let i = 0; i < 3; i++) {
      Histogram.record(words, 0, 100, 2 ** 30)
      Histogram.record(words, 0, 5000, 2 ** 28)
    }
    const { count, max, p50, p99 } = Histogram.summary(words, 0)
    assert.deepStrictEqual([count, max], [3 * (2 ** 30 + 2 ** 28), 5000])
    assert.isTrue(p50 >= 100 && p50 < 107 && p99 === 5000, `p50 ${p50}, p99 ${p99}`)
    Histogram.clear(words, 0)
    assert.deepStrictEqual(Histogram.summary(words, 0), { count: 0, p50: 0, p99: 0, max: 0 })
  })
})
