/**
 * The watchdog's thread: looks at loops and strands in shared memory, asks who holds a loop, writes what it found, and
 * answers at the socket.
 *
 * It needs nothing of the thread it watches: not its loop, not its stderr. Its own loop does nothing but this.
 *
 * ```text
 *   every look ─▶ suspects? ─▶ ask who holds it (6 to 20 ms) ─▶ over the limit? ─▶ new? ─▶ ask for a dump ─▶ write
 *                    │              └ no answer in time: native code; the dump is of shared memory only
 *                    └ old and silent strands ────────────────────────────────────▲
 * ```
 *
 * @internal
 */
import * as Dump from "@selvedge/core/inspection/Dump"
import type * as DumpSchema from "@selvedge/core/inspection/DumpSchema"
import * as DumpText from "@selvedge/core/inspection/DumpText"
import * as Verdict from "@selvedge/core/inspection/Verdict"
import * as Counters from "@selvedge/core/diagnostics/Counters"
import * as FlightRecorder from "@selvedge/core/diagnostics/FlightRecorder"
import * as StrandReader from "@selvedge/core/diagnostics/StrandReader"
import * as Effect from "effect/Effect"
import { parentPort, workerData } from "node:worker_threads"
import { endFromThreadUnsafe } from "../../main/NodeGuard.ts"
import { Probe, throughInspector } from "./probe.ts"
import { facts } from "../NodePlatform.ts"
import { serve } from "./server.ts"
import { Voice } from "./voice.ts"
import type { FromThread, ThreadData } from "./watchData.ts"

const EXIT_CODE = 1

const data: ThreadData = workerData
const loops = Effect.runSync(StrandReader.observe(data.loops))
const readers: Dump.Readers = {
  strands: data.strands && Effect.runSync(StrandReader.observe(data.strands)),
  counters: data.counters && Effect.runSync(Counters.observe(data.counters)),
  flight: data.flight && Effect.runSync(FlightRecorder.observe(data.flight))
}
const voice = new Voice()
const probe = new Probe(throughInspector(data.abilities.inspector, data.times.hook))

const monotonicMillis = (): number => Number(process.hrtime.bigint() / 1_000_000n)

const post = (message: FromThread): void => parentPort?.postMessage(message)

/** What it gives, or nothing in time. */
const within = <A>(reply: Promise<A>, millis: number): Promise<A | undefined> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), millis)
    void reply.then((found) => {
      clearTimeout(timer)
      resolve(found)
    })
  })

/** Loops register under the id of their thread and one: an id is never 0. */
const threadOf = (loop: Verdict.Suspect["loop"]): number => loop.id - 1

const sharedDump = (occasion: DumpSchema.Occasion): DumpSchema.Dump => ({
  ...Dump.captureShared(readers, { wallMillis: Date.now(), monotonicMillis: monotonicMillis() }, occasion),
  ...facts()
})

/** A dump of the program; of shared memory only while its main thread does not answer. */
const dumpNow = async (occasion: DumpSchema.Occasion): Promise<DumpSchema.Dump> => {
  const reply = await within(probe.ask(0, occasion), data.times.ask)
  return reply?._tag === "Answer" && reply.answer.dump !== null ? reply.answer.dump : sharedDump(occasion)
}

/** A look at a large table costs something: only if there is a limit to find somebody over. */
const hasStrandLimits = Object.keys({ ...data.policy.old, ...data.policy.noHeartbeat }).length > 0
const strandsNow = () => (hasStrandLimits ? (readers.strands?.snapshotUnsafe() ?? []) : [])

let watch = Verdict.begin(monotonicMillis())
let told = Verdict.toldNothing
/** Of the last look. */
let holders: Array<Verdict.Holder> = []
let looking = false

const look = (): void => {
  watch = Verdict.look(watch, monotonicMillis(), data.policy)
  if (looking) return
  looking = true
  judge().then(
    () => (looking = false),
    (error: unknown) => {
      looking = false
      voice.write(`selvedge watchdog: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    }
  )
}

const judge = async (): Promise<void> => {
  const blocked: Array<Verdict.Verdict> = []
  const before = holders
  holders = []
  for (const suspect of Verdict.suspects(watch, loops.snapshotUnsafe(), data.policy)) {
    const reply = await within(probe.ask(threadOf(suspect.loop), undefined), data.times.ask)
    // A worker that has ended is its parent's business, and one that turns again meanwhile is nobody's.
    if (reply?._tag === "gone" || hasTurned(suspect)) continue
    const found = reply?._tag === "Answer" ? reply.answer.culprit : undefined
    const holder = Verdict.holderOf(before, suspect, found)
    holders.push(holder)
    const verdict = Verdict.judgeLoop(suspect, holder.culprit, data.policy)
    if (verdict !== undefined) blocked.push(verdict)
  }
  const verdicts = [...blocked, ...Verdict.judgeStrands(watch, strandsNow(), data.policy)]
  const telling = Verdict.tell(told, verdicts, watch.lookedAt, data.policy)
  told = telling.told
  if (telling.lines.length > 0) await say(telling, verdicts)
}

const hasTurned = ({ loop }: Verdict.Suspect): boolean =>
  loops.snapshotUnsafe().some((now) => now.slot === loop.slot && now.heartbeatMillis > loop.heartbeatMillis)

const say = async ({ dump, lines }: Verdict.Telling, verdicts: ReadonlyArray<Verdict.Verdict>): Promise<void> => {
  const head = lines.map((line) => `selvedge watchdog: ${line}\n`).join("")
  if (!dump) return voice.write(head)
  const found = withBlocked(await dumpNow("watchdog"), verdicts)
  const text = data.format === "json" ? `${JSON.stringify(found)}\n` : DumpText.render(found)
  const holdsMain = verdicts.some((verdict) => verdict._tag === "LoopBlocked" && threadOf(verdict.loop) === 0)
  if (data.policy.action === "exit" && holdsMain) {
    endFromThreadUnsafe({ exitCode: EXIT_CODE, report: head + text, abilities: data.abilities })
    return
  }
  voice.write(head + text)
  if (data.policy.action !== "exit") return
  // What ends the process must not be quicker than what is said about that.
  await within(voice.silent(), data.times.ask)
  post({ _tag: "stop", why: lines.join("; ") })
}

const withBlocked = (dump: DumpSchema.Dump, verdicts: ReadonlyArray<Verdict.Verdict>): DumpSchema.Dump => {
  const verdict = verdicts.find((one) => one._tag === "LoopBlocked")
  if (verdict?._tag !== "LoopBlocked") return dump
  const { culprit, forMillis, loop } = verdict
  return {
    ...dump,
    blocked: {
      loop: loop.name,
      blockedMillis: forMillis,
      task: culprit?.task ?? null,
      stack: (culprit?.stack ?? []).map((line) => line.replaceAll("file://", ""))
    }
  }
}

setInterval(look, data.policy.lookMillis)
if (data.socket !== undefined) {
  serve(data.socket, () => dumpNow("socket"), {
    onReady: () => post({ _tag: "listening" }),
    onProblem: (why) => post({ _tag: "problem", why })
  })
} else post({ _tag: "listening" })
