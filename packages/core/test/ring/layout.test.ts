/**
 * The bytes of a ring: nothing overlaps, and every writer has lines of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import { RingCore } from "../../src/ring/internal/core.ts"
import * as Epoch from "../../src/ring/internal/epoch.ts"
import * as Gate from "../../src/ring/internal/gate.ts"
import * as Layout from "../../src/ring/internal/layout.ts"

const shape: Layout.RingShape = {
  capacity: 8,
  slotBytes: 24,
  maxProducers: 3,
  multi: true,
  maxConsumers: 2,
  required: 0,
  start: 2 ** 31 - 3,
  measures: false,
  fingerprint: { low: 1, high: 2 }
}

describe("layout", () => {
  it("control words, lines, seats, stamps and slots follow each other without overlap [R1]", () => {
    const layout = Layout.make(shape)
    const line = 32
    const control = [
      Layout.CLAIM_WORD,
      Layout.GATE_WORD,
      Layout.CURSOR_WORD,
      Layout.STATE_WORD,
      Layout.READER_BELL_WORD,
      Layout.WRITER_BELL_WORD,
      Layout.LOCK_WORD,
      Layout.EPOCH_WORD,
      Layout.TOMBSTONES_WORD,
      Layout.producerWord(0),
      Layout.producerWord(1),
      Layout.producerWord(2),
      Layout.seatWord(layout, 0),
      Layout.seatWord(layout, 0) + Layout.SEAT_STATE,
      Layout.seatWord(layout, 1),
      Layout.seatWord(layout, 1) + Layout.SEAT_STATE,
      layout.stampsWord
    ]
    assert.deepStrictEqual(
      control,
      control.map((_, i) => (i + 1) * line)
    )
    assert.isAtLeast(layout.slotsByte, (layout.stampsWord + 8) * 4)
    assert.strictEqual(layout.slotsByte % 128, 0)
    assert.isAtLeast(layout.totalBytes, layout.slotsByte + 8 * 24)
    assert.isAtMost(Layout.SEAT_ID + Layout.MAX_ID_BYTES / 4, 2 * line)
  })

  it("what is formatted is read back, and holds no published record [R1]", () => {
    const layout = Layout.make(shape)
    const memory = new SharedArrayBuffer(layout.totalBytes)
    Layout.format(memory, layout)
    assert.deepStrictEqual(Layout.read(memory), layout)
    const { words } = new RingCore(memory, layout)
    for (let i = -8; i < 16; i++) {
      const sequence = (shape.start + i) | 0
      const isStamped = Layout.isStamped(words[Layout.stampWord(layout, sequence)] ?? 0, sequence)
      assert.strictEqual(isStamped, i < 0, `sequence ${sequence}`)
    }
  })

  it("an intent names its start near any claim word, over both ends of its 31 bits [R3]", () => {
    for (const near of [0, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 30, -(2 ** 30), 5]) {
      for (let by = -9; by <= 9; by++) {
        const start = (near + by) | 0
        assert.strictEqual(Gate.startOf(Gate.intentOf(start), near | 0), start)
        assert.notStrictEqual(Gate.intentOf(start), 0)
      }
    }
  })

  it("positions are exact over half turns, also while the epoch lags by one [R8]", () => {
    for (const start of [0, 2 ** 31 - 3, 2 ** 32 - 3, 3 * 2 ** 31 - 3, 2 ** 50 - 3]) {
      const layout = Layout.make({ ...shape, start })
      const memory = new SharedArrayBuffer(layout.totalBytes)
      Layout.format(memory, layout)
      const core = new RingCore(memory, layout)
      const check = (): void => {
        for (let by = start === 0 ? 0 : -8; by < 16; by++) {
          assert.strictEqual(Epoch.position(core, (start + by) | 0), start + by)
        }
      }
      check()
      Epoch.passed(core, start | 0, (start + 6) | 0)
      check()
    }
  })
})
