/** The bell, and what it tells a platform that reaches beyond this process. */
import { afterEach, assert, describe, it } from "vitest"
import * as Bell from "../../src/memory/internal/bell.ts"

const STATE_WORD = 0
const BIT = 4
const BELL_WORD = 32

afterEach(() => Bell.reachBeyond(undefined))

describe("the bell", () => {
  it("tells a platform of a sleeper before its bit is set, and of a ring after the bell has moved", () => {
    const words = new Int32Array(new SharedArrayBuffer(256))
    const seen: Array<string> = []
    const state = (): string => `bit ${words[STATE_WORD]! & BIT}, bell ${words[BELL_WORD]}`
    Bell.reachBeyond({
      sleeps: (of, word) => seen.push(`sleeps ${of === words} ${word}: ${state()}`),
      rang: (of, word) => seen.push(`rang ${of === words} ${word}: ${state()}`)
    })
    Bell.prepare(words, STATE_WORD, BIT, BELL_WORD)
    Bell.ring(words, STATE_WORD, BIT, BELL_WORD)
    assert.deepStrictEqual(seen, ["sleeps true 32: bit 0, bell 0", "rang true 32: bit 0, bell 1"])
  })

  it("rings within the process alone when no platform reaches further", () => {
    const words = new Int32Array(new SharedArrayBuffer(256))
    assert.strictEqual(Bell.prepare(words, STATE_WORD, BIT, BELL_WORD), 0)
    Bell.ring(words, STATE_WORD, BIT, BELL_WORD)
    assert.isFalse(Bell.isSilent(words, BELL_WORD, 0))
    assert.strictEqual(words[STATE_WORD], 0)
  })
})
