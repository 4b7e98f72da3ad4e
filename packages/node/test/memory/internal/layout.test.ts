/** The bytes of a control file. */
import { assert, describe, it } from "vitest"
import * as Layout from "../../../src/memory/internal/layout.ts"

const { LINE_WORDS } = Layout

describe("the layout of a control file", () => {
  it("gives every row its own lines, one after the other, within the file [P1]", () => {
    const rows = [
      ...Array.from({ length: Layout.MOST_PARTICIPANTS + Layout.SPARE_ROWS }, (_, i) => Layout.participantWord(i)),
      ...Array.from({ length: Layout.REGIONS }, (_, i) => Layout.regionWord(i))
    ]
    assert.strictEqual(rows[0], 4 * LINE_WORDS)
    for (const [i, row] of rows.entries()) assert.strictEqual(row, (4 + 2 * i) * LINE_WORDS)
    assert.isAtMost((rows.at(-1)! + 2 * LINE_WORDS) * 4, Layout.BYTES)
    // What ringers and watchers write is apart from what stands under the mutex.
    assert.isAtMost(Layout.OPENED + 2, LINE_WORDS)
    assert.isAtMost(Layout.NAME + Layout.MOST_NAME_BYTES / 4, LINE_WORDS)
    assert.strictEqual(Layout.DOORBELL, LINE_WORDS)
    assert.strictEqual(Layout.FIRST_BELL, LINE_WORDS)
    assert.isAtMost(Layout.BELLS, LINE_WORDS)
  })

  it("keeps a bit for each region and participant [P3]", () => {
    const words = new Int32Array(Layout.BYTES / 4)
    for (const region of [0, 31, 32, 63]) {
      Layout.setOpened(words, 5, region)
      assert.isTrue(Layout.hasOpened(words, 5, region))
      assert.isFalse(Layout.hasOpened(words, 6, region))
      assert.isFalse(Layout.hasNothingOpen(words, 5))
      Layout.clearOpened(words, 5, region)
      assert.isTrue(Layout.hasNothingOpen(words, 5))
    }
  })

  it("keeps names of up to 32 characters and numbers of up to 53 bits [P2]", () => {
    const words = new Int32Array(Layout.BYTES / 4)
    const row = Layout.regionWord(3)
    for (const name of ["a", "abcd", "abcde", "x".repeat(32), "b.c_d-e"]) {
      Layout.writeName(words, row, name)
      assert.strictEqual(Layout.readName(words, row), name)
    }
    for (const value of [0, 1, 2 ** 31, 2 ** 32 + 7, Number.MAX_SAFE_INTEGER]) {
      Layout.writeWide(words, row + Layout.REGION_BYTES, value)
      assert.strictEqual(Layout.readWide(words, row + Layout.REGION_BYTES), value)
    }
  })

  it("lists as many bells as there is room for, each once [P4]", () => {
    const words = new Int32Array(Layout.BYTES / 4)
    for (let turn = 0; turn < 2; turn++) {
      for (let bell = 0; bell < Layout.BELLS; bell++) assert.isTrue(Layout.listBell(words, 63, bell * 7))
    }
    assert.isFalse(Layout.listBell(words, 63, 999))
    assert.isTrue(Layout.listBell(words, 62, 999))
  })
})
