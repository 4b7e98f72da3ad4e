/**
 * The plain look that saves most empty polls their atomic load.
 */
import { assert, it } from "@effect/vitest"
import * as Layout from "../../src/notifier/internal/layout.ts"
import * as TokenQueue from "../../src/notifier/internal/tokenQueue.ts"

const attach = () => {
  const layout = Layout.make(4)
  const region = new SharedArrayBuffer(layout.totalBytes)
  Layout.format(region, layout)
  const queue = TokenQueue.attach(region, layout)
  return { queue, poller: TokenQueue.attachPoller(queue)!, out: new Int32Array(4) }
}

const looks = (poller: TokenQueue.Poller): number => {
  let count = 0
  while (count < 1000 && TokenQueue.seemsEmpty(poller)) count++
  return count
}

it("a plain look is believed sixteen times, and then only after a poll that found nothing [N3]", () => {
  const { out, poller } = attach()
  assert.strictEqual(looks(poller), 0)
  for (let i = 0; i < 3; i++) {
    assert.strictEqual(TokenQueue.poll(poller, out, 4), 0)
    assert.strictEqual(looks(poller), 16)
  }
})

it("a plain look sees what the same thread said, what closed, and a recovery's walk to its end [N3] [N10]", () => {
  const { out, poller, queue } = attach()
  TokenQueue.poll(poller, out, 4)
  TokenQueue.notify(queue, 2)
  assert.isFalse(TokenQueue.seemsEmpty(poller))
  assert.strictEqual(TokenQueue.poll(poller, out, 4), 1)
  // The walk stops at its limit with the queue empty: it must not be taken for the end.
  queue.flags.fill(1)
  TokenQueue.recover(queue)
  for (let handed = 0; handed < 4;) {
    assert.isFalse(TokenQueue.seemsEmpty(poller))
    handed += TokenQueue.poll(poller, out, 1)
  }
  TokenQueue.poll(poller, out, 4)
  assert.isTrue(TokenQueue.seemsEmpty(poller))
  TokenQueue.close(queue)
  assert.isFalse(TokenQueue.seemsEmpty(poller))
})
