/**
 * `npm run model`: what a line says of a model, and what becomes of one that does not hold.
 */
import * as path from "node:path"
import { assert, describe, it } from "vitest"
import { runScript, temporaryFolder, workspaceRoot, writeFiles } from "./internal/fixture.ts"

const checker = path.join(workspaceRoot, "packages/testing/src/model/index.ts")

/** Two threads that count, by a body that does so well or badly. */
const counting = (body: string): string => `
import { defineModel } from ${JSON.stringify(checker)}
const count = (x) => void (${body})
export const counter = defineModel({
  name: "counter: 2 threads, once each",
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: { a: count, b: count },
  check: (x) => x[0] === 2
})`

const run = (body: string) => {
  const root = temporaryFolder()
  writeFiles(root, { "packages/core/test/model/counter.model.ts": counting(body) })
  const { code, stdout } = runScript("model.ts", ["--root", root, "--json"])
  const [line = "", ...rest] = stdout.trimEnd().split("\n")
  return { code, line: JSON.parse(line) as Record<string, unknown>, rest }
}

describe("model", () => {
  it("tells name, threads, operations, executions, and that a model was exhausted [Q3]", () => {
    const { code, line, rest } = run("Atomics.add(x, 0, 1)")
    const { executions, model, operations, result, strategy, threads } = line
    assert.deepStrictEqual(
      { executions, model, operations, result, strategy, threads },
      {
        model: "counter: 2 threads, once each",
        threads: 2,
        operations: 2,
        result: "Exhausted",
        strategy: "dpor",
        executions: 2
      }
    )
    assert.deepStrictEqual([code, rest], [0, []])
  })

  it("exits 1 for a model that does not hold, with its story and a schedule to replay [Q3]", () => {
    const { code, line, rest } = run("Atomics.store(x, 0, Atomics.load(x, 0) + 1)")
    assert.deepStrictEqual([code, line["result"]], [1, "Failed"])
    assert.match(rest.join("\n"), /check[\s\S]*0\.1x2\.0/)
  })
})
