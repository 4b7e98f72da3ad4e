/**
 * The shared memory of the guard, in one thread: what is written is what is read.
 */
import { assert, describe, it } from "@effect/vitest"
import * as GuardMemory from "../../../src/main/internal/guardMemory.ts"

describe("guardMemory", () => {
  it("begins unarmed and keeps the last state written, whichever slot it is in [S8]", () => {
    const memory = GuardMemory.make()
    assert.strictEqual(GuardMemory.read(memory).deadline, GuardMemory.NEVER)
    for (let n = 1; n <= 5; n++) {
      GuardMemory.write(memory, { deadline: BigInt(n) * 1_000n, exitCode: 120 + n }, `report ${n}`)
      const { deadline, exitCode, report } = GuardMemory.read(GuardMemory.attach(memory.buffer))
      assert.deepStrictEqual([deadline, exitCode, report()], [BigInt(n) * 1_000n, 120 + n, `report ${n}`])
    }
  })

  it("leaves the state in force alone while the next one is written [S8]", () => {
    const memory = GuardMemory.make()
    GuardMemory.write(memory, { deadline: 1n, exitCode: 1 }, "first")
    const before = GuardMemory.read(memory)
    GuardMemory.write(memory, { deadline: 2n, exitCode: 2 }, "second")
    assert.strictEqual(before.report(), "first")
  })

  it("cuts a long report at a character and says how much is missing [S8] [S9]", () => {
    const memory = GuardMemory.make()
    // Three bytes a character, so that the bound falls inside one.
    const report = "€".repeat(30_000)
    GuardMemory.write(memory, { deadline: 1n, exitCode: 1 }, report)
    const kept = GuardMemory.read(memory).report()
    const [text = "", note = ""] = kept.split("\n")
    assert.match(text, /^€+$/)
    assert.isAtMost(Buffer.byteLength(kept), GuardMemory.REPORT_BYTES)
    assert.strictEqual(note, `… ${90_000 - Buffer.byteLength(text)} more bytes of this report were cut`)
  })

  it("keeps a report that just fits as it is [S8]", () => {
    const memory = GuardMemory.make()
    const report = "x".repeat(GuardMemory.REPORT_BYTES)
    GuardMemory.write(memory, { deadline: 1n, exitCode: 1 }, report)
    assert.strictEqual(GuardMemory.read(memory).report(), report)
  })

  it("tells a sleeper apart whose time has come from one that has something new to read [S8]", () => {
    const memory = GuardMemory.make()
    const revision = GuardMemory.revisionOf(memory)
    assert.isTrue(GuardMemory.sleep(memory, GuardMemory.now() - 1n, revision))
    GuardMemory.write(memory, { deadline: 1n, exitCode: 1 }, "")
    assert.isFalse(GuardMemory.sleep(memory, GuardMemory.NEVER, revision))
    GuardMemory.close(memory)
    assert.isTrue(GuardMemory.isClosed(memory))
    assert.isFalse(GuardMemory.sleep(memory, GuardMemory.NEVER, revision + 1))
  })

  it("treats a deadline beyond the clock's range as never [S8]", () => {
    const memory = GuardMemory.make()
    GuardMemory.write(memory, { deadline: 2n ** 70n, exitCode: 1 }, "")
    assert.strictEqual(GuardMemory.read(memory).deadline, GuardMemory.NEVER)
  })
})
