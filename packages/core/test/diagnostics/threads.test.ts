/**
 * Strands of real threads.
 */
import { assert, it } from "@effect/vitest"
import { Arena, letGo, startThread } from "./strandRounds.ts"

const THREADS = 100
const AT_ONCE = 20
/** A thread holds up to eight strands at once: twenty want more than there are slots. */
const LIVES = 400

it("a hundred threads on fifty slots leave none, and each life is counted once [D1] [D2] [D4]", async () => {
  const arena = new Arena(50, THREADS)
  const problems: Array<string> = []
  let registered = 0
  let overflowed = 0
  for (let first = 0; first < THREADS; first += AT_ONCE) {
    const start = new SharedArrayBuffer(8)
    const threads = Array.from({ length: AT_ONCE }, (_, i) =>
      startThread(arena.job(first + i, 0, LIVES, start, AT_ONCE))
    )
    // A wave after the other: a hundred at once would be more than the machine can hold.
    await Promise.all(threads.map(({ ready }) => ready))
    letGo(start)
    const all = Promise.all(threads.map(({ told }) => told))
    let isOver = false
    void all.then(() => {
      isOver = true
    })
    while (!isOver) {
      problems.push(...arena.look())
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const told of await all) {
      registered += told!.registered
      overflowed += told!.overflowed
      problems.push(...told!.problems)
    }
  }
  assert.deepStrictEqual(problems.slice(0, 3), [])
  const { active, completed, lost, overflow, peak, spawned } = arena.sums()
  assert.deepStrictEqual(
    { active, completed, lost, overflow, spawned },
    { active: 0, completed: registered, lost: 0, overflow: overflowed, spawned: registered }
  )
  assert.strictEqual(registered + overflowed, THREADS * LIVES)
  // In every wave all of them hold what they can get at once.
  assert.isAtLeast(overflowed, (THREADS / AT_ONCE) * 50)
  assert.isTrue(peak >= 50 - AT_ONCE && peak <= 50, `a peak of ${peak}`)
  const totals = arena.totals()
  assert.strictEqual(totals.size, THREADS)
  assert.strictEqual(
    Array.from(totals.values()).reduce((sum, value) => sum + value, 0),
    registered
  )
})
