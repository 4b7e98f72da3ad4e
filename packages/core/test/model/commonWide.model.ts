/**
 * The ring's tally: two threads add over the end of a half turn of the low word, or one of them dies there, while another reads.
 */
import { defineModel } from "@selvedge/testing/model"
import * as CommonWide from "../../src/memory/internal/commonWide.ts"

const HALF_TURN = 2 ** 31
const QUARTER = 2 ** 29

const from = (start: number) => () => {
  const words = new Int32Array(new SharedArrayBuffer(CommonWide.COMMON_WIDE_WORDS * 4))
  words[0] = (start % 2 ** 32) | 0
  words[1] = Math.floor(start / HALF_TURN)
  return words
}

const adder = (steps: ReadonlyArray<number>) => (words: Int32Array) => {
  for (const n of steps) CommonWide.add(words, 0, n)
}

const reader = (words: Int32Array) => [CommonWide.read(words, 0), CommonWide.read(words, 0)]

/** Never less than before, and none but a sum of some of the additions. */
const isExact = (words: Int32Array, start: number, seen: ReadonlyArray<number>, sums: ReadonlySet<number>): boolean => {
  const values = [start, ...seen, CommonWide.read(words, 0)]
  return values.every((value, i) => sums.has(value - start) && value >= (values[i - 1] ?? 0))
}

const both = (name: string, start: number, crashes: boolean) =>
  defineModel({
    name,
    setup: from(start),
    threads: { a: adder([1, 3]), b: adder([5]), reader },
    check: (words, { reader }, { crashed }) =>
      isExact(words, start, reader ?? [], new Set([0, 1, 4, 5, 6, 9])) &&
      (crashed.length > 0 || CommonWide.read(words, 0) === start + 9),
    ...(crashes ? { options: { crash: { threads: ["a"] } } } : {})
  })

export const half = both("a tally of 53 bits: 2 add over half a turn", HALF_TURN - 2, false)
export const turn = both("a tally of 53 bits: 2 add over a whole turn", 3 * 2 ** 32 - 2, false)
export const crash = both("a tally of 53 bits: one of 2 dies at any step over a whole turn", 2 ** 32 - 2, true)

/** What somebody left behind is made good by whoever passes the next quarter, long before it would be misread. */
export const mended = defineModel({
  name: "a tally of 53 bits: one dies at any step of half a turn, and another goes on for a whole one",
  setup: from(HALF_TURN - 1),
  threads: {
    a: adder([1]),
    b: {
      after: "a",
      run: (words: Int32Array) => {
        for (let i = 0; i < 8; i++) CommonWide.add(words, 0, QUARTER)
        return CommonWide.read(words, 0)
      }
    }
  },
  check: (_, { b }) => b === HALF_TURN - 1 + 2 ** 32 || b === HALF_TURN + 2 ** 32,
  options: { crash: { threads: ["a"] } }
})
