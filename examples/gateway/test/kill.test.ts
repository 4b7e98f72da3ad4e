/** The kill loop in short: two kills, and once too many. */
import { assert, it } from "@effect/vitest"
import { spawn } from "node:child_process"

it("killed workers lose no acknowledged event and count none twice; too many kills end the gateway [W2] [W6]", async () => {
  const script = new URL("../kill.ts", import.meta.url).pathname
  const args = ["--conditions=@selvedge/source", "--no-warnings", script, "--kills", "2", "--seconds", "60"]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  child.stdout.on("data", (text) => (output += String(text)))
  child.stderr.on("data", (text) => (output += String(text)))
  const code = await new Promise((resolve) => child.once("exit", resolve))
  assert.strictEqual(code, 0, output)
  const { acknowledged, failed, held, killed, violations } = JSON.parse(output.trim().split("\n").at(-1)!)
  assert.deepStrictEqual([killed, failed, violations, held], [2, 0, [], acknowledged])
  assert.isAbove(acknowledged, 0)
}, 180_000)
