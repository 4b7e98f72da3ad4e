/**
 * Threads that register strands, count and record as fast as they can, and are terminated at any moment: whoever reads meanwhile sees whole
 * rows and whole events, totals never fall, there is never a second series, and once a dead thread is reclaimed nothing of it is left.
 */
import { Arena, letGo, startThread, type Thread } from "./strandRounds.ts"
import { FLUSH_EVERY } from "./strandWorker.ts"

const SLOTS = 16
const THREADS = 3

interface Life {
  readonly thread: Thread
  readonly generation: number
}

export const run = async ({ seconds, seed }: { readonly seconds: number; readonly seed: number }) => {
  const arena = new Arena(SLOTS, THREADS, seed)
  const violations: Array<string> = []
  const end = performance.now() + seconds * 1000
  let random = seed | 1
  const next = (n: number): number => {
    random ^= random << 13
    random ^= random >>> 17
    random ^= random << 5
    return (random >>> 0) % n
  }
  let looks = 0
  let terminated = 0
  let reclaimed = 0
  const totals = new Map<number, number>()
  const look = (): void => {
    looks++
    violations.push(...arena.look())
    const now = arena.totals()
    if (now.size > THREADS) violations.push(`${now.size} series of ${THREADS} threads`)
    for (const [ordinal, value] of now) {
      const before = totals.get(ordinal) ?? 0
      if (value < before) violations.push(`the total of ${ordinal} fell from ${before} to ${value}`)
      totals.set(ordinal, value)
    }
  }
  const begin = async (ordinal: number, generation: number): Promise<Life> => {
    const start = new SharedArrayBuffer(8)
    const thread = startThread(arena.job(ordinal, generation, 0, start))
    await thread.ready
    letGo(start)
    return { thread, generation }
  }
  const kill = async (ordinal: number, { generation, thread }: Life): Promise<void> => {
    await thread.worker.terminate()
    terminated++
    const freed = arena.reclaim(ordinal, generation)
    reclaimed += freed
    arena.mostLost += freed
    look()
  }
  const lives = await Promise.all(Array.from({ length: THREADS }, (_, ordinal) => begin(ordinal, 0)))
  while (performance.now() < end && violations.length === 0) {
    for (let i = next(40); i >= 0; i--) {
      look()
      await new Promise((resolve) => setTimeout(resolve, next(3)))
    }
    const ordinal = next(THREADS)
    await kill(ordinal, lives[ordinal]!)
    lives[ordinal] = await begin(ordinal, lives[ordinal]!.generation + 1)
  }
  for (const [ordinal, life] of lives.entries()) await kill(ordinal, life)
  const { active, completed, lost, peak, spawned } = arena.sums()
  if (active !== 0) violations.push(`${active} strands are left`)
  if (peak > SLOTS) violations.push(`a peak of ${peak} in ${SLOTS} slots`)
  // One that dies between two stores may have been counted as completed and be reclaimed, or show and not be counted.
  if (lost > reclaimed) violations.push(`${lost} lost, ${reclaimed} reclaimed`)
  const counted = Array.from(totals.values()).reduce((sum, value) => sum + value, 0)
  if (counted > spawned + terminated) violations.push(`counted ${counted} of ${spawned}`)
  const most = terminated * (FLUSH_EVERY + 1)
  if (spawned - counted > most) violations.push(`${spawned - counted} not counted, at most ${most} were not flushed`)
  return {
    counts: { looks, terminated, reclaimed, spawned, completed, lost, counted },
    violations: violations.slice(0, 5)
  }
}
