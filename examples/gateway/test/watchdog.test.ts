/**
 * The gateway with a task that holds its event loop for three seconds, seen from outside.
 */
import { assert, describe, it } from "vitest"
import { gateway } from "./running.ts"

describe("the gateway under its watchdog", () => {
  it("is told while a task blocks its loop, by name, and goes on; SIGQUIT dumps [D6] [D7]", async () => {
    const text = await gateway("block", async (running) => {
      await running.at(/watchdog: event loop "main" blocked for .* by task "planted block" \(Maintenance #1\)/)
      await running.at(/event loop "main" turns again/)
      running.child.kill("SIGQUIT")
      await running.at(/asked for by signal[^]*=== end of dump ===/)
    })
    for (const part of [
      'inside "sorting everything" for',
      "RUNNING NOW",
      '"aggregate" [thread 0]',
      /"events": claimed 0 \(capacity \d+\)/,
      "gateway: running, not stopping"
    ]) {
      if (typeof part === "string") assert.include(text, part)
      else assert.match(text, part)
    }
  })

  it("is not told of a task that takes as long and has announced it [D7]", async () => {
    const text = await gateway("long", async (running) => {
      await running.at(/planted long: done/)
      running.child.kill("SIGQUIT")
      await running.at(/asked for by signal[^]*=== end of dump ===/)
    })
    assert.include(text, '"planted long"')
    // A busy machine may block the loop in earnest meanwhile; the announced task is not what is told.
    assert.notMatch(text, /selvedge watchdog: .*planted long/)
  })
})
