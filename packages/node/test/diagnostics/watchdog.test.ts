/**
 * The watchdog in real processes: what it says while a loop is blocked, and what it says nothing about.
 */
import { assert, describe, it } from "@effect/vitest"
import { setTimeout as pause } from "node:timers/promises"
import { count, watched } from "./support.ts"

describe("a blocked event loop", () => {
  it("is told while it is blocked, with the task, its stack, its span and everybody else's [D7] [D6]", async () => {
    const { heard, stderr } = await watched("blocked")
    const first = heard.find(({ text }) => text.includes("selvedge watchdog"))
    // The task begins 300 ms after `ready` and holds the loop for 2 s; the limit is 300 ms.
    assert.isBelow(first?.at ?? Infinity, 300 + 300 + 1000, stderr)
    for (const part of [
      'event loop "main" blocked for',
      'by task "cruncher" (Maintenance #2)',
      /at hold \(\/.*fixtures\/watched\.ts:\d+:\d+\)/,
      /"cruncher" \(Maintenance #2, .*RUNNING NOW\)/,
      'inside "crunching" for',
      '"bystander" (PeerConnection #1',
      "watched: running, not stopping",
      'event loop "main" turns again'
    ]) {
      assert.match(stderr, typeof part === "string" ? new RegExp(part.replaceAll(/[()]/g, "\\$&")) : part)
    }
    assert.strictEqual(count(stderr, "=== selvedge dump"), 1)
  })

  it("is dumped once for a culprit, and told in a line when it comes back [D7]", async () => {
    const { stderr } = await watched("twice")
    assert.strictEqual(count(stderr, "=== selvedge dump"), 1, stderr)
    assert.isAtLeast(count(stderr, "watchdog: again: event loop"), 1, stderr)
  })

  it("is named also in a call that only waits [D7]", async () => {
    const { stderr } = await watched("waiting")
    assert.include(stderr, 'by task "sleeper" (Maintenance #2)')
    assert.include(stderr, "at Atomics.wait")
  })

  it("is told also in native code, with what stands in shared memory [D7] [D6]", async () => {
    const { heard, stderr } = await watched("native")
    const first = heard.find(({ text }) => text.includes("selvedge watchdog"))
    assert.isBelow(first?.at ?? Infinity, 1800, stderr)
    assert.include(stderr, "by code that cannot be asked (native code?)")
    assert.include(stderr, "the thread could not be asked: this is what stands in shared memory")
  })

  it("is found in a worker, and the task in it is named; a worker that died is not blocked [D7]", async () => {
    const { stderr } = await watched("inWorker", { argument: "blocks" })
    assert.include(stderr, 'event loop "worker 3.1" blocked for')
    assert.include(stderr, 'by task "in worker" (RpcHandler #1)')
    assert.match(stderr, /at holdInWorker/)
    const dead = await watched("inWorker", { argument: "dies" })
    assert.notInclude(dead.stderr, "watchdog")
  })

  it("is found in a thread of a container, whose metrics are in the parent's dumps [D7] [D5] [D6]", async () => {
    const { stderr } = await watched("inThread", {
      act: async ({ kill, says }) => {
        await says("turns again")
        await pause(1500)
        kill("SIGQUIT")
        await says("asked for by signal")
      }
    })
    assert.match(stderr, /event loop "counter 0" blocked for .* by task "in a thread" \(Maintenance #1\)/)
    assert.match(stderr, /at holdInThread/)
    assert.include(stderr, "thread_orders/0 7")
    assert.match(stderr, /"in a thread" \(Maintenance\), running for .*, worker 0/)
  })

  it("is dumped although a source of the dump never comes back, and the service goes on [D6] [D7]", async () => {
    const { code, stderr } = await watched("hungSource")
    assert.include(stderr, 'by task "cruncher"')
    assert.include(stderr, "=== end of dump ===")
    assert.include(stderr, "turns again")
    assert.notStrictEqual(code, 137)
  })

  it("ends the process with 1 when that was asked for, and the report says why [D7]", async () => {
    const { code, heard, signal, stderr } = await watched("blocked", { env: { SELVEDGE_WATCHDOG: "exit" } })
    assert.deepStrictEqual([code, signal], [1, null], stderr)
    assert.include(stderr, "blocked for")
    assert.include(stderr, 'by task "cruncher"')
    assert.isBelow(heard.at(-1)?.at ?? Infinity, 2000)
  })
})

describe("a strand", () => {
  it("that is old, or gives no heartbeat, is told with a dump, by the limits of its kind [D7]", async () => {
    const { stderr } = await watched("idle", {
      env: { SELVEDGE_WATCHDOG_OLD: "PeerConnection=400ms", SELVEDGE_WATCHDOG_NO_HEARTBEAT: "PeerConnection=800ms" },
      act: async ({ kill, says }) => {
        await says("gives no heartbeat")
        kill("SIGTERM")
      }
    })
    assert.match(stderr, /strand "bystander" \(PeerConnection #1\) is old: alive for .* \(limit 400ms\)/)
    assert.match(stderr, /strand "bystander" \(PeerConnection #1\) gives no heartbeat for .* \(limit 800ms\)/)
    assert.strictEqual(count(stderr, "=== selvedge dump"), 2)
  })

  it("stops the service in order when that was asked for, with 1 [D7]", async () => {
    const { code, stderr, stdout } = await watched("idle", {
      env: { SELVEDGE_WATCHDOG_OLD: "PeerConnection=400ms", SELVEDGE_WATCHDOG: "exit" }
    })
    assert.strictEqual(code, 1, stdout)
    assert.include(stdout, "stopping: Fatal (watchdog)")
    assert.include(stderr, "is old")
  })
})

describe("what is no alarm", () => {
  for (const [scenario, why] of [
    ["announced", "work that was announced"],
    ["announcedNative", "work in native code that was announced"],
    ["ofItsKind", "work of a kind that may take longer"]
  ] as const) {
    it(`${why} [D7]`, async () => {
      const { stderr } = await watched(scenario)
      assert.notInclude(stderr, "watchdog")
    })
  }

  it("but another task that blocks beside announced work is named [D7]", async () => {
    const { stderr } = await watched("beside")
    assert.include(stderr, 'by task "cruncher" (RpcHandler')
  })

  it("a process that was stopped and goes on [D7]", async () => {
    const { stderr } = await watched("idle", {
      act: async ({ kill }) => {
        await pause(300)
        kill("SIGSTOP")
        await pause(1500)
        kill("SIGCONT")
        await pause(700)
        kill("SIGTERM")
      }
    })
    assert.notInclude(stderr, "watchdog")
  })

  it("a watchdog that is switched off [D7]", async () => {
    const { stderr } = await watched("blocked", { env: { SELVEDGE_WATCHDOG: "off" } })
    assert.notInclude(stderr, "watchdog")
  })
})
