/**
 * The stress runner, seen to fail: scripts that succeed, violate, throw, die
 * and print nothing.
 */
import { assert, describe, it } from "vitest"
import { runScript, temporaryFolder, writeFiles } from "./internal/fixture.ts"

interface Line {
  readonly name: string
  readonly seed: number
  readonly counts: Record<string, number>
  readonly violations: ReadonlyArray<string>
}

/** Runs one script of the given body; its parsed line and the exit code. */
const stress = (body: string): { readonly code: number | null; readonly line: Line } => {
  const root = temporaryFolder()
  writeFiles(root, { "packages/core/test/one.stress.ts": body })
  const { code, stdout } = runScript("stress.ts", ["--root", root, "--seed", "7", "--seconds", "0.1"])
  assert.strictEqual(stdout.trim().split("\n").length, 1)
  return { code, line: JSON.parse(stdout) as Line }
}

describe("stress", () => {
  it("hands seed and seconds to each script and prints its line [Q4]", () => {
    const { code, line } = stress(
      "export const run = async ({ seed, seconds }) => ({ counts: { double: seed * 2, seconds }, violations: [] })"
    )
    assert.strictEqual(code, 0)
    assert.deepStrictEqual({ ...line }, {
      name: "one",
      seed: 7,
      seconds: 0.1,
      counts: { double: 14, seconds: 0.1 },
      violations: []
    } as Line)
  })

  it("exits 1 on a violation, an exception, and a child that dies [Q4]", () => {
    const violated = stress(`export const run = async () => ({ counts: { done: 3 }, violations: ["lost one"] })`)
    assert.deepStrictEqual(
      [violated.code, violated.line.violations, violated.line.counts],
      [1, ["lost one"], { done: 3 }]
    )
    const threw = stress(`export const run = async () => { throw new Error("boo") }`)
    assert.strictEqual(threw.code, 1)
    assert.match(threw.line.violations.join(), /threw Error: boo/)
    const died = stress(`export const run = async () => process.exit(0)`)
    assert.strictEqual(died.code, 1)
    assert.match(died.line.violations.join(), /without its line/)
    const stopped = stress(`export const run = () => new Promise(() => {})`)
    assert.strictEqual(stopped.code, 1)
    assert.match(stopped.line.violations.join(), /without its line \(exit code 13\)/)
  })

  it("exits 1 when no script matches [Q4]", () => {
    assert.strictEqual(runScript("stress.ts", ["--root", temporaryFolder()]).code, 1)
  })
})
