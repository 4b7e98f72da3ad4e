/**
 * The tables of docs/diagnostics.md, added up.
 */
import { assert, describe, it } from "@effect/vitest"
import { LINE_WORDS } from "../../src/memory/internal/line.ts"
import * as Counters from "../../src/diagnostics/internal/countersLayout.ts"
import * as Owner from "../../src/diagnostics/internal/owner.ts"
import * as Recorder from "../../src/diagnostics/internal/recorderLayout.ts"
import * as Strands from "../../src/diagnostics/internal/strandLayout.ts"
import * as Text from "../../src/diagnostics/internal/text.ts"
import * as Wide from "../../src/diagnostics/internal/wide.ts"

/** That parts follow each other without a gap or an overlap, up to the end. */
const followEachOther = (parts: ReadonlyArray<readonly [at: number, words: number]>, end: number): void => {
  let next = parts[0]![0]
  for (const [at, words] of parts) {
    assert.strictEqual(at, next)
    next = at + words
  }
  assert.strictEqual(next, end)
}

describe("layouts", () => {
  it("a row of a strand is a line, and its parts fill it [D3]", () => {
    followEachOther(
      [
        [Strands.ROW_MARK, 1],
        [Strands.ROW_BEAT, Wide.WIDE_WORDS],
        [Strands.ROW_PAYLOAD, Strands.PAYLOAD_WORDS]
      ],
      LINE_WORDS
    )
    followEachOther(
      [
        [Strands.PAYLOAD_ID, 2],
        [Strands.PAYLOAD_PARENT, 2],
        [Strands.PAYLOAD_GENERATION, 1],
        [Strands.PAYLOAD_START, 2],
        [Strands.PAYLOAD_LENGTHS, 1],
        [Strands.PAYLOAD_KIND, Strands.KIND_WORDS],
        [Strands.PAYLOAD_NAME, Strands.NAME_WORDS]
      ],
      Strands.PAYLOAD_WORDS
    )
    assert.isAtMost(Strands.SEAT_OWNER + 1, Strands.SEAT_WORDS)
  })

  it("seats, slots and rows lie behind each other on lines of their own [D1]", () => {
    for (const [capacity, seats] of [
      [1, 1],
      [33, 3],
      [1024, 256]
    ] as const) {
      const layout = Strands.make(capacity, seats)
      assert.strictEqual(layout.slotsWord, Strands.seatWord(seats))
      assert.isAtLeast(layout.rowsWord - layout.slotsWord, capacity * Strands.SLOT_WORDS)
      assert.strictEqual(layout.rowsWord % LINE_WORDS, 0)
      assert.strictEqual(layout.totalBytes, (Strands.rowWord(layout, capacity - 1) + Strands.ROW_WORDS) * 4)
    }
    assert.strictEqual(Strands.make(1024, 256).totalBytes, 172_288)
  })

  it("a counter is a line, its value aligned to 8 bytes, and its parts fill it [D5]", () => {
    followEachOther(
      [
        [Counters.CELL_OWNER, 1],
        [Counters.CELL_NEXT, 1],
        [Counters.CELL_ID, 1],
        [Counters.CELL_ORDINAL, 1],
        [Counters.CELL_LENGTHS, 1],
        [Counters.CELL_KIND, 1],
        [Counters.CELL_VALUE, 2],
        [Counters.CELL_NAME, Counters.NAME_WORDS],
        [Counters.CELL_LABEL, Counters.LABEL_WORDS]
      ],
      LINE_WORDS
    )
    assert.strictEqual(Counters.valueIndex(3) * 2, Counters.cellWord(3) + Counters.CELL_VALUE)
  })

  it("an event is a line, and its parts fill it [D9]", () => {
    assert.strictEqual(Recorder.ENTRY_PAYLOAD + Recorder.PAYLOAD_WORDS, LINE_WORDS)
    followEachOther(
      [
        [Recorder.PAYLOAD_TIME, 2],
        [Recorder.PAYLOAD_ORDINAL, 1],
        [Recorder.PAYLOAD_GENERATION, 1],
        [Recorder.PAYLOAD_ID, 2],
        [Recorder.PAYLOAD_LENGTHS, 1],
        [Recorder.PAYLOAD_WHAT, Recorder.WHAT_WORDS],
        [Recorder.PAYLOAD_TEXT, Recorder.TEXT_WORDS]
      ],
      Recorder.PAYLOAD_WORDS
    )
  })
})

describe("owners", () => {
  it("every ordinal and generation has a word that is not nobody's and gives the ordinal back [D1]", () => {
    const words = new Set<number>()
    for (const ordinal of [0, 1, 8191, 8192, Owner.MAX_ORDINAL, Owner.MAIN_ORDINAL]) {
      for (const generation of [0, 1, 2 ** 18 - 1]) {
        const owner = Owner.ownerOf(ordinal, generation)
        assert.strictEqual(owner, owner | 0)
        assert.strictEqual(Owner.ordinalOf(owner), ordinal)
        assert.isFalse(owner === Owner.NOBODY || owner === 1)
        words.add(owner)
      }
    }
    assert.strictEqual(words.size, 18)
  })
})

describe("texts", () => {
  const roundTrip = (text: string, words: number): readonly [string, boolean] => {
    const to = new Int32Array(words + 2).fill(-1)
    const length = Text.encode(text, to, 1, words)
    assert.deepStrictEqual([to[0], to[words + 1]], [-1, -1])
    return [Text.decode(to, 1, length), (length & Text.CUT) !== 0]
  }

  it("what fits comes back as it was, as Node's own encoder would have written it [D3]", () => {
    for (const text of ["", "a", "abcd", "äöü€", "😀 and 👩‍👩‍👧", "\0\u0001", "\u{10ffff}"]) {
      assert.deepStrictEqual(roundTrip(text, 8), [text, false])
      assert.strictEqual(Text.byteLength(text), Buffer.byteLength(text))
      const to = new Int32Array(8)
      const bytes = Text.encode(text, to, 0, 8)
      assert.strictEqual(Buffer.from(to.buffer, 0, bytes).toString("hex"), Buffer.from(text).toString("hex"))
    }
  })

  it("what does not fit is cut between two characters, and half of a pair becomes a replacement [D3]", () => {
    assert.deepStrictEqual(roundTrip("abcde", 1), ["abcd", true])
    assert.deepStrictEqual(roundTrip("abc€", 1), ["abc", true])
    assert.deepStrictEqual(roundTrip("a😀", 1), ["a", true])
    assert.deepStrictEqual(roundTrip("😀", 1), ["😀", false])
    assert.deepStrictEqual(roundTrip("a\ud800b", 2), ["a\ufffdb", false])
    assert.deepStrictEqual(roundTrip("\udc00", 1), ["\ufffd", false])
  })
})
