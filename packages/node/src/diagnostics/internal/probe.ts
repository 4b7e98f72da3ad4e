/**
 * Asks another thread who holds it, through the inspector. For the watchdog's thread.
 *
 * A session is opened for one question and closed with its answer. The main thread is asked directly. A worker is asked by
 * way of the main thread's session, which hands messages on without help of the main thread's loop; a worker that is not
 * listed there has ended.
 *
 * **Invariants**
 *
 * 1. One question per thread at a time: while native code keeps a thread from answering, nobody asks again.
 * 2. A hook that does not come back within `hookMillis` is stopped, and the code it interrupted goes on.
 *
 * @internal
 */
import type * as DumpSchema from "@selvedge/core/inspection/DumpSchema"
import type { Session } from "node:inspector"
import * as Hook from "./hook.ts"

/** The id of the main thread. */
const MAIN = 0

/** What came back; `gone` if the thread has ended, `none` if it has no hook or its hook failed. */
export type Reply = { readonly _tag: "Answer"; readonly answer: Hook.Answer } | { readonly _tag: "gone" | "none" }

interface Evaluated {
  readonly result?: { readonly value?: unknown }
}

/** Puts one question to one thread. */
export type Question = (threadId: number, occasion: DumpSchema.Occasion | undefined) => Promise<Reply>

interface Open {
  readonly occasion: DumpSchema.Occasion | undefined
  readonly reply: Promise<Reply>
}

export class Probe {
  private readonly question: Question
  private readonly asked = new Map<number, Open>()

  constructor(question: Question) {
    this.question = question
  }

  /**
   * Asks, or joins the question that is open if its answer has what is wanted; else asks when that is answered. Settles when the thread
   * answers, which may be never.
   */
  ask(threadId: number, occasion: DumpSchema.Occasion | undefined): Promise<Reply> {
    const open = this.asked.get(threadId)
    // Every answer says who holds the thread.
    if (open !== undefined && (occasion === undefined || occasion === open.occasion)) return open.reply
    const before: Promise<unknown> = open?.reply ?? Promise.resolve()
    const reply = before.then(() => this.question(threadId, occasion)).catch((): Reply => ({ _tag: "none" }))
    const mine: Open = { occasion, reply }
    this.asked.set(threadId, mine)
    void reply.then(() => {
      if (this.asked.get(threadId) === mine) this.asked.delete(threadId)
    })
    return reply
  }
}

/** Through the inspector, where that is permitted. */
export const throughInspector =
  (isPermitted: boolean, hookMillis: number): Question =>
  (threadId, occasion) => {
    if (!isPermitted) return Promise.resolve({ _tag: "none" })
    const { Session } = process.getBuiltinModule("node:inspector")
    const session = new Session()
    session.connectToMainThread()
    const params = { expression: Hook.expression(occasion), returnByValue: true, silent: true, timeout: hookMillis }
    const reply = threadId === MAIN ? evaluate(session, params) : evaluateInWorker(session, threadId, params)
    return reply.finally(() => session.disconnect())
  }

const replyOf = (evaluated: Evaluated | undefined): Reply => {
  const value = evaluated?.result?.value
  return typeof value === "string" ? { _tag: "Answer", answer: JSON.parse(value) } : { _tag: "none" }
}

const evaluate = (session: Session, params: object): Promise<Reply> =>
  new Promise((resolve) => {
    session.post("Runtime.evaluate", params, (error: Error | null, found?: object) =>
      resolve(error === null ? replyOf(found) : { _tag: "none" })
    )
  })

const evaluateInWorker = (session: Session, threadId: number, params: object): Promise<Reply> =>
  new Promise((resolve) => {
    let found = false
    session.on("NodeWorker.attachedToWorker", ({ params: { sessionId, workerInfo } }) => {
      if (!workerInfo.title.startsWith(`[worker ${threadId}]`)) return
      found = true
      const message = JSON.stringify({ id: 1, method: "Runtime.evaluate", params })
      session.post("NodeWorker.sendMessageToWorker", { sessionId, message })
    })
    session.on("NodeWorker.receivedMessageFromWorker", ({ params: { message } }) => {
      const { id, result }: { readonly id?: number; readonly result?: Evaluated } = JSON.parse(message)
      if (id === 1) resolve(replyOf(result))
    })
    session.post("NodeWorker.enable", { waitForDebuggerOnStart: false }, (error) => {
      if (error !== null) resolve({ _tag: "none" })
      else if (!found) resolve({ _tag: "gone" })
    })
  })
