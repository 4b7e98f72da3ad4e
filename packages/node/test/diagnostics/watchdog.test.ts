/**
 * The watchdog in real processes: what it says while a loop is blocked, and what it says nothing about. A loop is let go when its
 * blocking has been told, so that nothing here depends on how soon that was; what is late is tested in virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import { setTimeout as pause } from "node:timers/promises"
import { count, type Running, untilTold, watched } from "./support.ts"

// Side by side: most of the time they wait for a limit to be passed.
describe.concurrent("a blocked event loop", () => {
  it("is told while it is blocked, with the task, its stack, its span and everybody else's [D7] [D6]", async () => {
    const { stderr } = await watched("blocked", { act: untilTold(/by task "cruncher"/) })
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
    const { stderr } = await watched("twice", {
      act: async ({ kill, says }) => {
        await says("watchdog: again: event loop")
        kill("SIGTERM")
      }
    })
    assert.strictEqual(count(stderr, "=== selvedge dump"), 1, stderr)
  })

  it("is named also in a call that only waits [D7]", async () => {
    const { stderr } = await watched("waiting", { act: untilTold(/by task "sleeper"/) })
    assert.include(stderr, 'by task "sleeper" (Maintenance #2)')
    assert.include(stderr, "at Atomics.wait")
  })

  it("is told also in native code, with what stands in shared memory [D7] [D6]", async () => {
    const { stderr } = await watched("native", { act: untilTold(/cannot be asked/) })
    assert.include(stderr, "by code that cannot be asked (native code?)")
    assert.include(stderr, "the thread could not be asked: this is what stands in shared memory")
  })

  it("is found in a worker, and the task in it is named; a worker that died is not blocked [D7]", async () => {
    const { stderr } = await watched("inWorker", {
      argument: "blocks",
      act: async ({ release, says }) => {
        await says(/by task "in worker"[^]*=== end of dump ===/)
        // The worker ends, and the service with it.
        release()
      }
    })
    assert.include(stderr, 'event loop "worker 3.1" blocked for')
    assert.include(stderr, 'by task "in worker" (RpcHandler #1)')
    assert.match(stderr, /at holdInWorker/)
    const dead = await watched("inWorker", { argument: "dies" })
    assert.notInclude(dead.stderr, "watchdog")
  })

  it("is found in a thread of a container, whose metrics are in the parent's dumps [D7] [D5] [D6]", async () => {
    const { stderr } = await watched("inThread", {
      act: async ({ kill, release, says, soFar }) => {
        await says(/by task "in a thread"[^]*=== end of dump ===/)
        release()
        await says("turns again")
        // They come a while after they were counted.
        for (let asked = 1; !soFar().includes("thread_orders/0 7"); asked++) {
          kill("SIGQUIT")
          await says(new RegExp(`(asked for by signal[^]*=== end of dump ===[^]*){${asked}}`))
          await pause(200)
        }
        kill("SIGTERM")
      }
    })
    assert.match(stderr, /event loop "counter 0" blocked for .* by task "in a thread" \(Maintenance #1\)/)
    assert.match(stderr, /at holdInThread/)
    assert.match(stderr, /"in a thread" \(Maintenance\), running for .*, worker 0/)
  })

  it("is dumped although a source of the dump never comes back, and the service goes on [D6] [D7]", async () => {
    const { code, stderr } = await watched("hungSource", { act: untilTold(/by task "cruncher"/) })
    assert.include(stderr, 'by task "cruncher"')
    assert.include(stderr, "turns again")
    assert.notStrictEqual(code, 137)
  })

  it("ends the process with 1 when that was asked for, and the report says why [D7]", async () => {
    // Nobody lets its loop go.
    const { code, signal, stderr } = await watched("blocked", { env: { SELVEDGE_WATCHDOG: "exit" } })
    assert.deepStrictEqual([code, signal], [1, null], stderr)
    assert.include(stderr, "blocked for")
    assert.include(stderr, 'by task "cruncher"')
  })
})

describe.concurrent("a strand", () => {
  it("that is old, or gives no heartbeat, is told with a dump, by the limits of its kind [D7]", async () => {
    const { stderr } = await watched("idle", {
      env: { SELVEDGE_WATCHDOG_OLD: "PeerConnection=400ms", SELVEDGE_WATCHDOG_NO_HEARTBEAT: "PeerConnection=5s" },
      act: async ({ kill, says }) => {
        await says(/is old:[^]*=== end of dump ===[^]*gives no heartbeat[^]*=== end of dump ===/)
        kill("SIGTERM")
      }
    })
    assert.match(stderr, /strand "bystander" \(PeerConnection #1\) is old: alive for .* \(limit 400ms\)/)
    assert.match(stderr, /strand "bystander" \(PeerConnection #1\) gives no heartbeat for .* \(limit 5(\.0+)?s\)/)
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

describe.concurrent("what is no alarm", () => {
  /** Longer than the limits of those that are told. */
  const forAWhile =
    (millis = 2000) =>
    async ({ kill, release }: Running): Promise<void> => {
      await pause(millis)
      release()
      kill("SIGTERM")
    }

  for (const [scenario, why, alarm, millis] of [
    ["announced", "work that was announced", "watchdog", 2000],
    ["announcedNative", "work in native code that was announced", "watchdog", 5000],
    ["ofItsKind", "work of a kind that may take longer", 'by task "import"', 2000]
  ] as const) {
    it(`${why} [D7]`, async () => {
      const { stderr } = await watched(scenario, { act: forAWhile(millis) })
      assert.notInclude(stderr, alarm)
    })
  }

  it("but another task that blocks beside announced work is named [D7]", async () => {
    const { stderr } = await watched("beside", { act: untilTold(/by task "cruncher"/) })
    assert.include(stderr, 'by task "cruncher" (RpcHandler')
  })

  it("a process that was stopped and goes on [D7]", async () => {
    const { stderr } = await watched("idle", {
      env: { SELVEDGE_WATCHDOG_BLOCKED: "2s" },
      act: async ({ kill }) => {
        await pause(300)
        kill("SIGSTOP")
        await pause(4000)
        kill("SIGCONT")
        await pause(1000)
        kill("SIGTERM")
      }
    })
    assert.notInclude(stderr, "watchdog")
  })

  it("a watchdog that is switched off [D7]", async () => {
    const { stderr } = await watched("blocked", { env: { SELVEDGE_WATCHDOG: "off" }, act: forAWhile() })
    assert.notInclude(stderr, "watchdog")
  })
})
