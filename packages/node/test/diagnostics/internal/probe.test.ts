/** Questions to a thread that takes its time. */
import { assert, describe, it } from "@effect/vitest"
import { Probe, type Reply } from "../../../src/diagnostics/internal/probe.ts"

/** A thread that answers when the test does. */
const slow = () => {
  const asked: Array<string> = []
  const answers: Array<(reply: Reply) => void> = []
  const probe = new Probe((threadId, occasion) => {
    asked.push(`${threadId} ${occasion ?? "who"}`)
    return new Promise((resolve) => void answers.push(resolve))
  })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  return { asked, probe, turn, answer: () => answers.shift()?.({ _tag: "none" }) }
}

describe("a question to a thread", () => {
  it("for a dump is put after the open one of who holds it, which has none; who holds it is in both [D6] [D7]", async () => {
    const { answer, asked, probe, turn } = slow()
    const who = probe.ask(0, undefined)
    assert.strictEqual(probe.ask(0, undefined), who)
    const dump = probe.ask(0, "socket")
    assert.notStrictEqual(dump, who)
    await turn()
    assert.deepStrictEqual(asked, ["0 who"])
    assert.strictEqual(probe.ask(0, undefined), dump)
    assert.strictEqual(probe.ask(0, "socket"), dump)
    answer()
    await who
    await turn()
    assert.deepStrictEqual(asked, ["0 who", "0 socket"])
    assert.strictEqual(probe.ask(0, undefined), dump)
    answer()
    await dump
    assert.notStrictEqual(probe.ask(0, undefined), dump)
  })

  it("is put to another thread although the first has not answered [D7]", async () => {
    const { asked, probe, turn } = slow()
    void probe.ask(0, undefined)
    void probe.ask(3, undefined)
    await turn()
    assert.deepStrictEqual(asked, ["0 who", "3 who"])
  })
})
