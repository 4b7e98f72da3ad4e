/** Four bad workers beside the gateway's own: what is done about each, and that it is told. */
import { assert, it } from "vitest"
import { gateway } from "./running.ts"

it("a worker that blocks, leaks, is never ready or flaps is dealt with by policy and named in log and report [W7] [W14]", async () => {
  const text = await gateway("bad-workers", async (running) => {
    await Promise.all(
      [
        /worker-blocks 1 .* killed: health timeout/,
        /worker-leaks 1 .* recycled/,
        /worker-never-ready 1 .* killed: startup timeout/,
        /planted worker-flaps gives up: .*Flapped: the first thing it did went wrong/
      ].map((line) => running.at(line))
    )
    // None of it is the gateway's end.
    const [, url = ""] = /listening on (http:\S+)/.exec(running.text) ?? []
    const answer = await fetch(`${url}/ingest`, { method: "POST", body: '{"key":"a","value":1}\n' })
    assert.include(await answer.text(), '"accepted":1')
  })
  const report = text.slice(text.lastIndexOf("shutdown took"))
  for (const line of [
    /worker worker-blocks 1 .*: health timeout .*gave no sign of life for 1s/,
    /worker worker-leaks 1 .*: recycled/,
    /worker worker-never-ready 1 .*: startup timeout/,
    /worker worker-flaps 1 .*: gave up/
  ]) {
    assert.match(report, line)
  }
  assert.include(report, "exit code 0")
})
