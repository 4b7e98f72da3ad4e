/**
 * The main program of a worker's process.
 *
 * It speaks over the channel its parent opened. When the channel closes the parent is gone, however that happened, and the
 * program is asked to stop (`ParentGone`) inside its own budget. Two threads stand behind it for a loop that is blocked: the
 * guard, which starts with the first stop and knows its deadline, and the orphan watch, which sees from outside of the loop that
 * the parent is gone.
 *
 * @internal
 */
import type * as Guard from "@selvedge/core/service/Guard"
import * as ShutdownPlan from "@selvedge/core/shutdown/ShutdownPlan"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Worker } from "node:worker_threads"
import { leaveProcess } from "../../main/Leave.ts"
import * as NodeGuard from "../../main/NodeGuard.ts"
import * as Exits from "./exits.ts"
import * as StartData from "./startData.ts"
import * as WorkerSide from "./workerSide.ts"

/** How long the last message may take to leave. */
const LAST_WORD_MILLIS = 1_000

/** What the orphan watch is told. */
export interface OrphanData {
  readonly parent: number
  /** From the parent's death to the end of this process, if its loop does not end it. */
  readonly patienceMillis: number
}

export const lead = (data: StartData.StartData): WorkerSide.WorkerSide => {
  Exits.askForReport()
  const outbox = new Outbox()
  const side = WorkerSide.run({
    data,
    post: outbox.post,
    emitter,
    guard: lateGuard(),
    memoryUse: process.memoryUsage.rss,
    leave: (exitCode) =>
      outbox.empty(() => {
        if (process.connected) process.disconnect?.()
        leaveProcess(exitCode)
      })
  })
  watchParent()
  return side
}

/** Signals start nothing here, but a dump does (SIGQUIT), and errors nobody caught are the program's. */
const emitter: WorkerSide.Emitter = {
  on: (event, listener) => (isIgnored(event) ? undefined : process.on(event, listener)),
  off: (event, listener) => (isIgnored(event) ? undefined : process.off(event, listener))
}

const isIgnored = (event: string): boolean => event === "SIGTERM" || event === "SIGINT" || event === "SIGHUP"

/** Messages on their way. */
class Outbox {
  private onTheirWay = 0
  private whenEmpty: (() => void) | undefined = undefined

  readonly post = (wire: unknown): void => {
    // Without a parent nobody hears it; the channel's own error would end the program.
    if (!process.connected) return
    this.onTheirWay += 1
    process.send?.(wire, undefined, undefined, () => {
      this.onTheirWay -= 1
      if (this.onTheirWay === 0) this.whenEmpty?.()
    })
  }

  /** Calls back when everything is out, or was not in time. */
  empty(then: () => void): void {
    if (this.onTheirWay === 0 || !process.connected) return then()
    const timer = setTimeout(() => this.whenEmpty?.(), LAST_WORD_MILLIS)
    this.whenEmpty = () => {
      clearTimeout(timer)
      this.whenEmpty = undefined
      then()
    }
  }
}

/** A guard thread costs as much as a start of this program may take; it is wanted from the first stop on. */
const lateGuard = (): Guard.GuardShape => {
  let guard: NodeGuard.NodeGuard | undefined
  return {
    update: (state) => {
      guard ??= NodeGuard.makeUnsafe({
        nowNanos: process.hrtime.bigint,
        onWarning: (line) => void process.stderr.write(`${line}\n`)
      })
      guard.update(state)
    }
  }
}

/** The guard's own end comes first: this is for a loop that never heard of the parent's death. */
const AFTER_THE_BUDGET_MILLIS = 600

const watchParent = (): void => {
  const budget = Effect.runSync(
    Effect.orElseSucceed(ShutdownPlan.settings.budget.resolve(undefined), () => Duration.seconds(25))
  )
  const data: OrphanData = {
    parent: process.ppid,
    patienceMillis: Duration.toMillis(budget) + AFTER_THE_BUDGET_MILLIS
  }
  try {
    const watch = new Worker(StartData.entry("orphanEntry"), {
      name: "selvedge-orphan",
      workerData: data,
      env: {},
      stdout: true,
      stderr: true,
      execArgv: ["--no-warnings"],
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 }
    })
    watch.unref()
    // A process without it still ends by its channel, unless its loop is blocked at that moment.
    watch.on("error", () => {})
  } catch {
    // The same.
  }
}
