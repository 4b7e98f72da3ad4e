/**
 * The guard thread: sleeps until the deadline in shared memory and ends a process whose main thread does not.
 *
 * It has no event loop to speak of and no Effect in it: whatever blocks the main thread must not reach it, and it must
 * be cheap to keep. Every step is measured from D, the deadline:
 *
 * ```text
 *   D            D+100                        D+250             D+380     D+400
 *   │ voice boots │ voice writes the report ──▶│ at the latest:  │ voice:  │ SIGKILL
 *   │ main may    │                            │ main thread runs│ a last  │
 *   │ still end   │                            │ endMain         │ line    │
 *   └─ a new deadline is obeyed ─┘└─ decided: nothing is obeyed any more ──┘
 * ```
 *
 * A guard that wakes long after D was stopped together with its process (SIGSTOP, a frozen container); it then counts
 * from the moment it woke, so that the main thread gets the same 100 ms.
 *
 * **What runs in the main thread** (`endMain`) is `process.exit`, so `exit` handlers run. The process itself is then
 * ended by `process.execve` of a shell that exits with the code: Node's own exit first joins the thread pool and all
 * workers, for as long as their native code takes, and it stops this thread before that. An `exec` takes all threads
 * with it at once. Where there is no `execve` or no shell, Node's own exit has to do.
 *
 * @internal
 */
import { accessSync, constants } from "node:fs"
import { Worker, workerData } from "node:worker_threads"
import * as GuardMemory from "./guardMemory.ts"
import { startThread } from "./startThread.ts"

const MILLI = 1_000_000n
const GRACE = 100n * MILLI
const VOICE = 250n * MILLI
const LAST_LINE = 380n * MILLI
const KILL = 400n * MILLI
/** Being late by more than this is not a busy machine, it is a stopped process. */
const STOPPED = 100n * MILLI

const SHELL = "/bin/sh"

const endMain = (exitCode: number, shell: boolean): string => `(() => {
  const leave = () => {
    if (${shell} && process.execve) process.execve("${SHELL}", ["sh", "-c", "exit ${exitCode}"], {})
  }
  if (!process._exiting) {
    process.on("exit", leave)
    try { process.exit(${exitCode}) } catch {}
  }
  try { leave() } catch {}
  process.exit(${exitCode})
})()`

const hasShell = (): boolean => {
  try {
    accessSync(SHELL, constants.X_OK)
    return process.execve !== undefined
  } catch {
    return false
  }
}

/** Ends the main thread through the inspector. Returns if it cannot; does not return for long if it can. */
const endThroughInspector = (exitCode: number, voiceStuck: boolean): void => {
  const shell = hasShell()
  // Node's own exit would wait for a voice that waits for a reader, and this thread would be gone by then.
  if (voiceStuck && !shell) return
  try {
    const inspector = process.getBuiltinModule("node:inspector")
    const session = new inspector.Session()
    session.connectToMainThread()
    session.post("Runtime.evaluate", { expression: endMain(exitCode, shell) })
  } catch {
    // No inspector in this build, or not permitted: the SIGKILL that follows needs neither.
  }
}

const startVoice = (memory: GuardMemory.Memory): Worker | undefined => {
  GuardMemory.resetVoice(memory)
  try {
    return startThread("guardVoice", { buffer: memory.buffer })
  } catch {
    return undefined
  }
}

/** Waits for the next deadline that is not moved. Gives D, or nothing when the guard was closed. */
const awaitDeadline = (memory: GuardMemory.Memory): bigint | undefined => {
  for (;;) {
    const revision = GuardMemory.revisionOf(memory)
    if (GuardMemory.isClosed(memory)) return undefined
    const { deadline } = GuardMemory.read(memory)
    if (!GuardMemory.sleep(memory, deadline, revision)) continue
    const woke = GuardMemory.now()
    const base = woke - deadline > STOPPED ? woke : deadline
    const voice = startVoice(memory)
    if (GuardMemory.sleep(memory, base + GRACE, revision)) return base
    if (voice !== undefined) GuardMemory.ask(memory, GuardMemory.QUIET)
  }
}

const endProcess = (memory: GuardMemory.Memory, base: bigint): void => {
  GuardMemory.ask(memory, GuardMemory.REPORT)
  const spoken = GuardMemory.waitSaid(memory, GuardMemory.REPORT, base + VOICE)
  endThroughInspector(GuardMemory.read(memory).exitCode, !spoken)
  while (GuardMemory.now() < base + LAST_LINE) GuardMemory.pause(Number(base + LAST_LINE - GuardMemory.now()) / 1e6)
  GuardMemory.ask(memory, GuardMemory.LAST_LINE)
  GuardMemory.waitSaid(memory, GuardMemory.LAST_LINE, base + KILL)
  process.kill(process.pid, "SIGKILL")
}

const { buffer }: GuardMemory.ThreadData = workerData
const memory = GuardMemory.attach(buffer)
const base = awaitDeadline(memory)
if (base !== undefined) endProcess(memory, base)
