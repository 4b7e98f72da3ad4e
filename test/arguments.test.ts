/**
 * Wrong arguments of every script: one line that says which script and what is wrong, exit code 2, and no work.
 */
import { spawnSync } from "node:child_process"
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { workspaceRoot } from "./internal/fixture.ts"

const entries: Readonly<Record<string, string>> = {
  floors: "scripts/floors.ts",
  requirements: "scripts/requirements.ts",
  stress: "scripts/stress.ts",
  model: "scripts/model.ts",
  mutants: "scripts/mutants.ts",
  bench: "bench/run.ts",
  kills: "packages/node/test/memory/kills.ts",
  "model:wide": "packages/testing/test/model/crossCheck.wide.ts",
  start: "examples/gateway/demo.ts",
  gateway: "examples/gateway/main.ts",
  "gateway:load": "examples/gateway/load.ts"
}

const rows: ReadonlyArray<readonly [script: string, args: ReadonlyArray<string>, wanted: RegExp]> = [
  ...Object.keys(entries).map((script) => [script, ["--bogus"], /--bogus/] as const),
  ["floors", ["--root", "/nowhere"], /--root wants a folder, found "\/nowhere"$/],
  ["requirements", ["extra"], /Unexpected argument 'extra'/],
  ["stress", ["--seconds", "x"], /--seconds wants a number above 0 .* found "x"$/],
  ["stress", ["--only", "nonsense"], /--only wants .*ring.*, found "nonsense"$/],
  ["model", ["--only", "counter.model", "--replay", "junk"], /Not a schedule: "junk"/],
  ["mutants", ["--only", "nonsense"], /--only wants .* found "nonsense"$/],
  ["kills", ["--kills", "0.5"], /--kills wants a whole number .* found "0.5"$/],
  ["kills", ["--recovery", "maybe"], /--recovery wants "on" or "off", found "maybe"$/],
  ["bench", ["nothing"], /there is no part "nothing"/],
  ["model:wide", ["0"], /--seconds wants a number .* found "0"$/],
  ["start", ["--break=nothing"], /wanted one of .* found "nothing"/],
  ["gateway:load", ["--rate", "0"], /--rate.* wanted a whole number .* found "0"$/]
]

describe("wrong arguments", () => {
  for (const [script, args, wanted] of rows) {
    it(`${script} ${args.join(" ")} is told in a line, with exit code 2`, () => {
      const { NODE_OPTIONS: _, ...env } = process.env
      const entry = path.join(workspaceRoot, entries[script] ?? "")
      const flags = ["--conditions=@selvedge/source", "--no-warnings"]
      const ran = spawnSync(process.execPath, [...flags, entry, ...args], { cwd: workspaceRoot, encoding: "utf8", env })
      assert.deepStrictEqual([ran.status, ran.stdout], [2, ""])
      const lines = ran.stderr.trimEnd().split("\n")
      assert.strictEqual(lines.length, 1, ran.stderr)
      assert.match(lines[0] ?? "", wanted)
      if (!args.includes("--replay")) assert.isTrue(lines[0]?.startsWith(`${script}: `), lines[0])
    })
  }
})
