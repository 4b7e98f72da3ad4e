/** The operator's script in short: a restart each way, a reload, and the parsers scaled, under load and a probe. */
import { assert, it } from "@effect/vitest"
import { report } from "./running.ts"

it("the workers are restarted, reloaded and scaled under load: no failed request, everything acknowledged counted once [W11] [W14]", async () => {
  const { acknowledged, failed, held, probes, unready, violations } = await report("operate", [
    "--restarts",
    "2",
    "--reloads",
    "1",
    "--seconds",
    "0"
  ])
  assert.deepStrictEqual([failed, unready, violations, held], [0, 0, [], acknowledged])
  assert.isAbove(Math.min(acknowledged, probes), 0)
})
