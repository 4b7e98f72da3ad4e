import { assert, describe, it } from "@effect/vitest"
import { explore } from "@selvedge/testing/model"
import { planted } from "./planted/index.ts"

describe("planted bugs", () => {
  it("are at least thirty, with different names [M8]", () => {
    assert.isAtLeast(new Set(planted.map((pair) => pair.name)).size, 30)
  })

  for (const pair of planted) {
    it(`finds ${pair.kind} in "${pair.name}" and exhausts the corrected twin [M4, M8]`, () => {
      const broken = explore(pair.broken)
      assert.strictEqual(broken._tag, "Failed")
      assert.strictEqual(broken.failure?.kind, pair.kind)
      const again = explore(pair.broken, { replay: broken.failure?.schedule })
      assert.strictEqual(again.failure?.kind, pair.kind, "its schedule shows it again")
      assert.strictEqual(again.executions, 1)
      const fixed = explore(pair.fixed)
      assert.strictEqual(fixed._tag, "Exhausted", fixed.failure?.trace)
    })
  }
})
