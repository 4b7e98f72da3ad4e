/** The kill loop in short: two kills and once too many; and with processes, one of them the gateway itself. */
import { assert, it } from "@effect/vitest"
import { spawn } from "node:child_process"

const kill = async (...args: ReadonlyArray<string>) => {
  const script = new URL("../kill.ts", import.meta.url).pathname
  const child = spawn(process.execPath, ["--conditions=@selvedge/source", "--no-warnings", script, ...args], {
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  child.stdout.on("data", (text) => (output += String(text)))
  child.stderr.on("data", (text) => (output += String(text)))
  const code = await new Promise((resolve) => child.once("exit", resolve))
  assert.strictEqual(code, 0, output)
  return JSON.parse(output.trim().split("\n").at(-1)!)
}

it("killed workers lose no acknowledged event and count none twice; too many kills end the gateway [W2] [W6]", async () => {
  const { acknowledged, failed, held, killed, violations } = await kill("--kills", "2", "--seconds", "60")
  assert.deepStrictEqual([killed, failed, violations, held], [2, 0, [], acknowledged])
  assert.isAbove(acknowledged, 0)
}, 180_000)

it("a killed gateway is started again on what it left, and everything acknowledged is counted once [W12]", async () => {
  // With this seed a worker, a thread in a process and the gateway itself.
  const { killed, violations, who } = await kill("--processes", "1", "--threads", "2", "--kills", "3", "--seed", "8")
  assert.deepStrictEqual([killed, violations], [3, []])
  assert.include(Object.keys(who), "the gateway")
  assert.include(Object.keys(who), "a thread")
}, 180_000)
