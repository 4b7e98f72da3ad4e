/**
 * Models whose threads cannot be processes, each for a reason of its own.
 *
 * @internal
 */
import { defineModel } from "@selvedge/testing/model"

const word = () => new Int32Array(new SharedArrayBuffer(4))
const dies = { crash: { threads: ["a"] } }

export const daemon = defineModel({
  setup: word,
  threads: { a: { run: () => 0, daemon: true } },
  check: () => true,
  options: dies
})
export const immortal = defineModel({ setup: word, threads: { a: () => 0 }, check: () => true })
export const unchecked = defineModel({ setup: word, threads: { a: () => 0 }, options: dies })
export const holdsFunction = defineModel({
  setup: () => ({ f: () => 0 }),
  threads: { a: () => 0 },
  check: () => true,
  options: dies
})
export const manyBuffers = defineModel({
  setup: () => Array.from({ length: 4 }, word),
  threads: { a: () => 0 },
  check: () => true,
  options: dies
})
export const returnsFunction = defineModel({
  setup: word,
  threads: { a: () => 0, b: () => () => 0 },
  check: () => true,
  options: dies
})
