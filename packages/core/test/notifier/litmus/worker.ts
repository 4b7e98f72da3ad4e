/**
 * One of the two threads of `notifier.stress.ts`.
 */
import { parentPort, workerData } from "node:worker_threads"
import { CONFLATED } from "../../../src/notifier/internal/core.ts"
import * as Layout from "../../../src/notifier/internal/layout.ts"
import * as TokenQueue from "../../../src/notifier/internal/tokenQueue.ts"

export type Form = "shipped" | "plain"

export interface Job {
  readonly role: "producer" | "consumer"
  readonly form: Form
  readonly region: SharedArrayBuffer
  readonly board: SharedArrayBuffer
  readonly seed: number
  readonly millis: number
}

export interface Told {
  readonly bursts: number
  readonly notifies: number
  readonly conflated: number
  readonly lost: number
}

/** Words of the board, a line each. */
const NEWS = 0
const READ = 32
const POLLS = 64
const STOP = 96

/** Turns without news after which a thread lets the other one run: on a busy machine they share a core. */
const PATIENCE = 20_000
const letOtherRun = (): void => void Atomics.wait(board, STOP, 0, 1)

const job = workerData as Job
const board = new Int32Array(job.board)
const queue = TokenQueue.attach(job.region, Layout.read(job.region) as Layout.Layout)

/** The flaw: the flag is cleared by a plain store, which the reads that follow may overtake. */
const pollByPlainStore = (poller: TokenQueue.Poller): number => {
  const end = Layout.serialIn(Atomics.load(queue.words, Layout.TAIL_WORD))
  if (end === poller.head) return 0
  const token = queue.cells[(poller.head >>> Layout.SERIAL_SHIFT) & queue.mask]!
  queue.cells[(poller.head >>> Layout.SERIAL_SHIFT) & queue.mask] = Layout.emptyFor(
    (poller.head + (queue.capacity << Layout.SERIAL_SHIFT)) | 0,
    queue.shift
  )
  poller.head = (poller.head + Layout.STEP) | 0
  queue.words[Layout.HEAD_WORD] = poller.head
  queue.flags[token] = 0
  return 1
}

const consume = (): void => {
  const poller = TokenQueue.attachPoller(queue)!
  const out = new Int32Array(1)
  const poll = job.form === "shipped" ? () => TokenQueue.poll(poller, out, 1) : () => pollByPlainStore(poller)
  let polls = 0
  let idle = 0
  while (Atomics.load(board, STOP) === 0) {
    for (let i = 0; i < 64; i++) {
      if (poll() === 1) {
        // Plain: the exchange of the flag has to order it.
        const news = board[NEWS]!
        Atomics.store(board, READ, news)
        idle = 0
      } else if (++idle > PATIENCE) {
        idle = 0
        letOtherRun()
      }
      Atomics.store(board, POLLS, (polls = (polls + 1) | 0))
    }
  }
  parentPort!.postMessage({ bursts: 0, notifies: 0, conflated: 0, lost: 0 } satisfies Told)
}

const produce = (): void => {
  let random = job.seed | 1
  const end = performance.now() + job.millis
  const told = { bursts: 0, notifies: 0, conflated: 0, lost: 0 }
  let news = 0
  while (performance.now() < end) {
    for (let i = 0; i < 256; i++) {
      random ^= random << 13
      random ^= random >>> 17
      random ^= random << 5
      const length = 2 + (random & 3)
      for (let j = 0; j < length; j++) {
        board[NEWS] = news = (news + 1) | 0
        if (TokenQueue.notify(queue, 0) === CONFLATED) told.conflated++
      }
      told.notifies += length
      told.bursts++
      if (!wasRead(news)) told.lost++
    }
  }
  Atomics.store(board, STOP, 1)
  parentPort!.postMessage(told satisfies Told)
}

/** Waits until the burst has been read, or cannot be read any more. */
const wasRead = (news: number): boolean => {
  for (let turns = 1; Atomics.load(board, READ) !== news; turns++) {
    if (turns % PATIENCE === 0) letOtherRun()
    const polls = Atomics.load(board, POLLS)
    const isEmpty =
      Atomics.load(queue.flags, 0) === 0 &&
      Atomics.load(queue.words, Layout.TAIL_WORD) === Atomics.load(queue.words, Layout.HEAD_WORD)
    if (!isEmpty) continue
    // Two polls from here on have ended: whatever the one under way was handed has been read.
    while (((Atomics.load(board, POLLS) - polls) | 0) < 2 && Atomics.load(board, READ) !== news) {
      if (++turns % PATIENCE === 0) letOtherRun()
    }
    return Atomics.load(board, READ) === news
  }
  return true
}

if (job.role === "producer") produce()
else consume()
