/**
 * The ring's 53-bit counters: one thread adds over the end of 32 bits, or dies there, while another reads.
 */
import { defineModel } from "@selvedge/testing/model"
import * as Wide from "../../src/memory/internal/wide.ts"

const TURN = 2 ** 32
const STEPS = [1, 2, TURN, TURN - 1]
const START = TURN - 2

const counter = (name: string, crashes: boolean) =>
  defineModel({
    name,
    setup: () => {
      const words = new Int32Array(new SharedArrayBuffer(Wide.WIDE_WORDS * 4))
      Wide.add(words, 0, START)
      return words
    },
    threads: {
      writer: (words: Int32Array) => {
        for (const n of STEPS) Wide.add(words, 0, n)
      },
      reader: (words: Int32Array) => [Wide.read(words, 0), Wide.read(words, 0), Wide.read(words, 0)]
    },
    check: (words: Int32Array, { reader }, { crashed }) => {
      const sums = STEPS.map((_, i) => START + STEPS.slice(0, i + 1).reduce((sum, n) => sum + n, 0))
      const last = sums.at(-1) ?? 0
      const values = [START, ...(reader ?? []), ...(crashed.length > 0 ? [] : [last])]
      // Never less than before, and none but a sum or the turn of the high half between two of them.
      const may = new Set([START, ...sums, TURN, 2 * TURN, 3 * TURN])
      return (
        values.every((value, i) => may.has(value) && value >= (values[i - 1] ?? 0)) &&
        (crashed.length > 0 || Wide.read(words, 0) === last)
      )
    },
    ...(crashes ? { options: { crash: { threads: ["writer"] } } } : {})
  })

export const wide = counter("a counter of 53 bits over two turns of its low half", false)
export const wideCrash = counter("a counter of 53 bits whose writer dies at any step", true)
