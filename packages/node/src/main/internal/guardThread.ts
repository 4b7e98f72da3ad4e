/**
 * The guard thread: sleeps until the deadline in shared memory and ends a process whose main thread does not.
 *
 * It has no event loop to speak of and no Effect in it: whatever blocks the main thread must not reach it, and it must
 * be cheap to keep. Every step is measured from D, the deadline (`guardTimes.ts`):
 *
 * ```text
 *   armed      D               D+100                    D+250 at the latest   D+380   D+400
 *   │ the voice│ the main      │ the voice writes        │ the main thread     │ a last│ SIGKILL
 *   │ starts   │ thread may    │ the report              │ runs endMain        │ line  │
 *   │          │ still end     │                         │                     │       │
 *   └─ a new deadline is obeyed┘└─ decided: nothing is obeyed any more ────────────────┘
 * ```
 *
 * A guard that wakes long after D was stopped together with its process (SIGSTOP, a frozen container); it then counts
 * from the moment it woke, so that the main thread gets the same 100 ms.
 *
 * What runs in the main thread (`endMain`) is `process.exit`, so `exit` handlers run once more code can run at all; the
 * process itself then ends as `leaveProcess.ts` describes.
 *
 * **Invariants**
 *
 * 1. Nothing here waits for the main thread, nor for stderr.
 * 2. One deadline has one D: a main thread that only writes a newer report does not put off the end.
 *
 * @internal
 */
import { Worker, workerData } from "node:worker_threads"
import * as GuardMemory from "./guardMemory.ts"
import { type Abilities, command } from "./leaveProcess.ts"
import { startThread } from "./startThread.ts"

const MILLI = 1_000_000n
/** Being late by more than this is not a busy machine, it is a stopped process. */
const STOPPED = 100n * MILLI

const after = (millis: number): bigint => BigInt(millis) * MILLI

/** `_exiting`: the main thread is in its `exit` handlers, and `process.exit` would not run ours. */
const endMain = (exitCode: number, program: Abilities["program"]): string => `(() => {
  const [path, argv] = ${JSON.stringify(program === undefined ? [] : command(program, exitCode))}
  const leave = () => { if (path) process.execve(path, argv, {}) }
  if (!process._exiting) {
    process.on("exit", leave)
    try { process.exit(${exitCode}) } catch {}
  }
  try { leave() } catch {}
  process.exit(${exitCode})
})()`

/** Ends the main thread at its next safe point in JavaScript. Returns at once, also if there never is one. */
const endThroughInspector = (exitCode: number, abilities: Abilities, spoken: boolean): void => {
  // Node's own exit would wait for a voice that waits for a reader, and this thread would be gone by then.
  if (!abilities.inspector || (!spoken && abilities.program === undefined)) return
  try {
    const inspector = process.getBuiltinModule("node:inspector")
    const session = new inspector.Session()
    session.connectToMainThread()
    session.post("Runtime.evaluate", { expression: endMain(exitCode, abilities.program) })
  } catch {
    // The SIGKILL that follows needs no inspector.
  }
}

const startVoice = (data: GuardMemory.ThreadData): Worker | undefined => {
  try {
    return startThread("guardVoice", data)
  } catch {
    // No memory for another thread: the process ends without its report.
    return undefined
  }
}

/** Waits for the next deadline that is not moved. Gives D, or nothing when the guard was closed. */
const awaitDeadline = (memory: GuardMemory.Memory, data: GuardMemory.ThreadData): bigint | undefined => {
  let voice: Worker | undefined
  let passed: { readonly deadline: bigint; readonly base: bigint } | undefined
  for (;;) {
    const revision = GuardMemory.revisionOf(memory)
    if (GuardMemory.isClosed(memory)) return undefined
    const { deadline } = GuardMemory.read(memory)
    if (deadline !== GuardMemory.NEVER) voice ??= startVoice(data)
    if (!GuardMemory.sleep(memory, deadline, revision)) continue
    if (passed?.deadline !== deadline) {
      const woke = GuardMemory.now()
      passed = { deadline, base: woke - deadline > STOPPED ? woke : deadline }
    }
    if (GuardMemory.sleep(memory, passed.base + after(data.abilities.times.grace), revision)) return passed.base
  }
}

const endProcess = (memory: GuardMemory.Memory, base: bigint, abilities: Abilities): void => {
  const { times } = abilities
  GuardMemory.ask(memory, GuardMemory.REPORT)
  const spoken = GuardMemory.waitSaid(memory, GuardMemory.REPORT, base + after(times.voice))
  endThroughInspector(GuardMemory.read(memory).exitCode, abilities, spoken)
  GuardMemory.pauseUntil(base + after(times.lastLine))
  GuardMemory.ask(memory, GuardMemory.LAST_LINE)
  GuardMemory.pauseUntil(base + after(times.kill))
  process.kill(process.pid, "SIGKILL")
}

const data: GuardMemory.ThreadData = workerData
const memory = GuardMemory.attach(data.buffer)
const base = awaitDeadline(memory, data)
if (base !== undefined) endProcess(memory, base, data.abilities)
