/**
 * What a process says of its life at its end.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ExitReport from "@selvedge/core/inspection/ExitReport"
import * as Schema from "effect/Schema"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { watched } from "./support.ts"

const decode = Schema.decodeSync(ExitReport.ExitReportJson)

const ended = (to: string) => watched("ends", { env: { SELVEDGE_EXIT_REPORT: to, SELVEDGE_WATCHDOG: "off" } })

describe("the report at the end", () => {
  it("is not there unless it was asked for [D9]", async () => {
    for (const to of ["none", ""]) assert.strictEqual((await ended(to)).stderr, "")
  })

  it("tells exit code, shutdown, totals, counters and the last events as text or JSON on stderr [D9]", async () => {
    const text = await ended("text")
    assert.strictEqual(text.code, 0, text.stderr)
    for (const part of [
      "exit code 0",
      "shutdown took",
      "watched: stopped, ended",
      "tasks_spawned/main 2",
      "task.failed #2",
      "asked for by exit",
      "=== end of dump ==="
    ]) {
      assert.include(text.stderr, part)
    }
    const json = await ended("json")
    assert.strictEqual(json.stderr.trimEnd().split("\n").length, 1)
    const { dump, exitCode, shutdown } = decode(json.stderr)
    assert.deepStrictEqual(
      [exitCode, shutdown?.exitCode, dump.totals?.of, dump.totals?.spawned, dump.totals?.active],
      [0, 0, "strands", 2, 0]
    )
    assert.isTrue(dump.flight.some((row) => row.event === "task.failed"))
  })

  it("goes to a file; one that cannot be written is told and changes no exit code [D9]", async () => {
    const folder = mkdtempSync(join(tmpdir(), "selvedge-exit-"))
    try {
      const file = join(folder, "exit.json")
      assert.strictEqual((await ended(file)).stderr, "")
      assert.strictEqual(decode(readFileSync(file, "utf8")).exitCode, 0)
      const { code, stdout } = await ended(join(folder, "no", "such", "folder.json"))
      assert.strictEqual(code, 0)
      assert.include(stdout, "the exit report could not be written to")
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
