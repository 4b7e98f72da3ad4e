/** The operator's script in short: a restart each way, a reload, and the parsers scaled, under load and a probe. */
import { assert, it } from "@effect/vitest"
import { spawn } from "node:child_process"

it("the workers are restarted, reloaded and scaled under load: no failed request, everything acknowledged counted once [W11] [W14]", async () => {
  const script = new URL("../operate.ts", import.meta.url).pathname
  const options = ["--restarts", "2", "--reloads", "1", "--seconds", "0"]
  const child = spawn(process.execPath, ["--conditions=@selvedge/source", "--no-warnings", script, ...options], {
    stdio: ["ignore", "pipe", "pipe"]
  })
  let output = ""
  child.stdout.on("data", (text) => (output += String(text)))
  child.stderr.on("data", (text) => (output += String(text)))
  const code = await new Promise((resolve) => child.once("exit", resolve))
  assert.strictEqual(code, 0, output)
  const { acknowledged, failed, held, probes, unready, violations } = JSON.parse(output.trim().split("\n").at(-1)!)
  assert.deepStrictEqual([failed, unready, violations, held], [0, 0, [], acknowledged])
  assert.isAbove(Math.min(acknowledged, probes), 0)
}, 180_000)
