/** The kill loop in short: two kills and once too many; and with processes, one of them the gateway itself. */
import { assert, it } from "@effect/vitest"
import { report } from "./running.ts"

it("killed workers lose no acknowledged event and count none twice; too many kills end the gateway [W2] [W6]", async () => {
  const { acknowledged, failed, held, killed, violations } = await report("kill", ["--kills", "2", "--seconds", "60"])
  assert.deepStrictEqual([killed, failed, violations, held], [2, 0, [], acknowledged])
  assert.isAbove(acknowledged, 0)
})

it("a killed gateway is started again on what it left, and everything acknowledged is counted once [W12]", async () => {
  // With this seed a worker, a thread in a process and the gateway itself.
  const { killed, violations, who } = await report("kill", [
    "--processes",
    "1",
    "--threads",
    "2",
    "--kills",
    "3",
    "--seed",
    "8"
  ])
  assert.deepStrictEqual([killed, violations], [3, []])
  assert.include(Object.keys(who), "the gateway")
  assert.include(Object.keys(who), "a thread")
})
