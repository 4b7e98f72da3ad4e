import { assert, it } from "@effect/vitest"
import * as Output from "../../../src/workers/internal/output.ts"
import { PassThrough } from "node:stream"

it("what a worker writes is led by its name line by line, the last line also without its end [W4]", async () => {
  const from = new PassThrough()
  const to = new PassThrough()
  let written = ""
  to.on("data", (text) => (written += String(text)))
  Output.lines(from, to, "[parser 2] ")
  from.write("one\ntw")
  from.write(Buffer.from("o ✓\n").subarray(0, 3))
  from.write(Buffer.from("o ✓\n").subarray(3))
  from.end("three")
  await new Promise((resolve) => from.once("end", () => setImmediate(resolve)))
  assert.strictEqual(written, "[parser 2] one\n[parser 2] two ✓\n[parser 2] three\n")
})
