/**
 * What cannot be run on processes is refused, and nothing is left behind.
 */
import { assert, describe, it } from "@effect/vitest"
import { ModelError } from "@selvedge/testing/model"
import { type KillOptions, killOnProcesses } from "@selvedge/testing/processes/ModelProcesses"
import * as Effect from "effect/Effect"
import { mkdtempSync, readdirSync, rmdirSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

const unfit = new URL("./support/unfit.ts", import.meta.url).href
const execArgv = ["--conditions=@selvedge/source", "--no-warnings"]

const refusal = (name: string, options: Partial<KillOptions>): Promise<unknown> =>
  Effect.runPromise(
    Effect.flip(killOnProcesses({ module: unfit, name, execArgv }, { seconds: 60, instances: 1, ...options }))
  )

describe("models whose threads are processes", () => {
  it("leave neither a file nor a process, and say what is wrong with those that cannot be processes [M7]", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "selvedge-unfit-"))
    const wanted: ReadonlyArray<readonly [string, object, RegExp]> = [
      ["daemon", {}, /daemon/],
      ["immortal", {}, /crash\.threads.*wanted at least one/],
      ["unchecked", {}, /check: wanted one/],
      ["holdsFunction", {}, /it holds a function/],
      ["manyBuffers", { instances: 16 }, /at most 60 buffers.*found 64/],
      ["nothing", {}, /no model called "nothing"/],
      ["returnsFunction", {}, /has to be a copy of plain data/],
      ["daemon", { instances: 33 }, /instances: wanted a whole number from 1 to 32, found 33/],
      ["daemon", { seconds: Number.NaN }, /seconds: wanted a number >= 0, found NaN/],
      ["daemon", { directory: "/nowhere" }, /directory: wanted one that is there, found "\/nowhere"/],
      ["daemon", { often: true }, /there is no "often"/]
    ]
    for (const [name, options, message] of wanted) {
      const error = await refusal(name, { directory, ...options })
      assert.instanceOf(error, ModelError, name)
      assert.match((error as ModelError).message, message)
    }
    assert.deepStrictEqual(readdirSync(directory), [])
    rmdirSync(directory)
  })
})
