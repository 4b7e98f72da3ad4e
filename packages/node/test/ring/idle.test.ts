/**
 * What a process costs in which everybody waits for a ring.
 */
import { assert, describe, it } from "@effect/vitest"
import { run } from "../main/fixtures/child.ts"
import { IDLE_MILLIS, SPUN_MILLIS } from "../spun.ts"

const idle = async (strategy: string) => {
  const { code, stderr, stdout } = await run("../../ring/fixtures/idle.ts", [strategy])
  assert.strictEqual(code, 0, stderr)
  return JSON.parse(stdout) as {
    readonly used: { readonly least: number; readonly mean: number }
    readonly taken: ReadonlyArray<number>
    readonly ofWorker: number
  }
}

describe("an idle ring", () => {
  it("costs no processor time while fibers and a parked thread wait, and wakes all of them [R10]", async () => {
    const { ofWorker, taken, used } = await idle("park")
    assert.deepStrictEqual([taken, ofWorker], [[1, 7], 7])
    assert.isBelow(used.least, IDLE_MILLIS, `of ${SPUN_MILLIS} that were spun`)
  })

  it("costs a core where a thread was told to spin, which shows that it is measured [R10]", async () => {
    const { ofWorker, used } = await idle("spin")
    assert.strictEqual(ofWorker, 7)
    assert.isAbove(used.mean, IDLE_MILLIS, `of ${SPUN_MILLIS} that were spun`)
  })
})
