/**
 * How a fiber sleeps on shared memory, and how it is woken.
 *
 * | form    | a sleeper                                             | for                                        |
 * | ------- | ----------------------------------------------------- | ------------------------------------------ |
 * | `async` | polls for four turns of the loop, then `waitAsync`    | threads that talk to other threads; default |
 * | `local` | is a callback in a list; ringers of its thread run it | one thread alone, and so virtual time      |
 *
 * Both keep the rule of the bell: read it, set the sleeper bit, look again, only then sleep.
 *
 * **Invariants**
 *
 * 1. The `async` form has at most one outstanding `waitAsync` for each word and thread, and never gives it a timeout: V8 frees
 *    neither abandoned waiters nor, before it fires, a timeout. A fiber that is interrupted takes its callback away; the waiter stays for
 *    the next one.
 * 2. It holds the event loop (`KeepAlive`) exactly while a fiber waits.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Bell from "./internal/bell.ts"
import { KeepAlive } from "./KeepAlive.ts"

/**
 * The words a sleeper sleeps on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bed {
  readonly words: Int32Array
  readonly stateWord: number
  readonly bit: number
  readonly bellWord: number
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Shape {
  /** Sleeps until it may be that `isReady`; the caller looks again. */
  readonly sleep: (bed: Bed, isReady: () => boolean) => Effect.Effect<void>
  /** To be called after ringing a bell of these words. */
  readonly rang: (words: Int32Array) => void
}

/**
 * The `async` form was used in virtual time.
 *
 * @category errors
 * @since 0.1.0
 */
export class WaitsInRealTime extends Error {
  readonly _tag = "WaitsInRealTime"
  override readonly name = "WaitsInRealTime"
  constructor() {
    super(
      "a fiber under TestClock was to wait with Atomics.waitAsync, which is woken in real time only; provide Waking.layerLocal, which wakes fibers of the same thread"
    )
  }
}

/** Turns of the event loop that are spent polling before a fiber goes to sleep. */
const POLLING_TURNS = 4

interface Waiter {
  readonly callbacks: Set<() => void>
  isOut: boolean
}

const makeAsync = (): Shape => {
  const waiters = new WeakMap<SharedArrayBuffer, Map<number, Waiter>>()
  const waiterOf = ({ bellWord, words }: Bed): Waiter => {
    const memory = words.buffer as SharedArrayBuffer
    let ofMemory = waiters.get(memory)
    if (ofMemory === undefined) waiters.set(memory, (ofMemory = new Map()))
    let waiter = ofMemory.get(bellWord)
    if (waiter === undefined) ofMemory.set(bellWord, (waiter = { callbacks: new Set(), isOut: false }))
    return waiter
  }
  /** Invariant 1: one that is out will be settled by whoever moved the bell since. */
  const subscribe = (bed: Bed, seen: number, callback: () => void): (() => void) => {
    const waiter = waiterOf(bed)
    if (!waiter.isOut) {
      const rung = Bell.sleepAsync(bed.words, bed.bellWord, seen)
      if (rung === undefined) {
        callback()
        return () => undefined
      }
      waiter.isOut = true
      void rung.then(() => {
        waiter.isOut = false
        const woken = Array.from(waiter.callbacks)
        waiter.callbacks.clear()
        for (const one of woken) one()
      })
    }
    waiter.callbacks.add(callback)
    return () => waiter.callbacks.delete(callback)
  }
  const park = (bed: Bed, isReady: () => boolean) =>
    Effect.flatMap(KeepAlive, (hold) =>
      Effect.callback<void>((resume) => {
        const seen = Bell.prepare(bed.words, bed.stateWord, bed.bit, bed.bellWord)
        if (isReady()) return resume(Effect.void)
        const release = hold()
        const unsubscribe = subscribe(bed, seen, () => {
          release()
          resume(Effect.void)
        })
        return Effect.sync(() => {
          unsubscribe()
          release()
        })
      })
    )
  const poll = (bed: Bed, isReady: () => boolean, turns: number): Effect.Effect<void> =>
    turns === 0
      ? park(bed, isReady)
      : Effect.flatMap(Effect.yieldNow, () => (isReady() ? Effect.void : poll(bed, isReady, turns - 1)))
  return {
    sleep: (bed, isReady) =>
      Effect.clockWith((clock) =>
        "adjust" in clock ? Effect.die(new WaitsInRealTime()) : poll(bed, isReady, POLLING_TURNS)
      ),
    rang: () => undefined
  }
}

const makeLocal = (): Shape => {
  const sleepers = new WeakMap<SharedArrayBuffer, Set<() => void>>()
  const sleepersOf = (words: Int32Array): Set<() => void> => {
    const memory = words.buffer as SharedArrayBuffer
    let found = sleepers.get(memory)
    if (found === undefined) sleepers.set(memory, (found = new Set()))
    return found
  }
  return {
    sleep: (bed, isReady) =>
      Effect.callback<void>((resume) => {
        Bell.prepare(bed.words, bed.stateWord, bed.bit, bed.bellWord)
        if (isReady()) return resume(Effect.void)
        const all = sleepersOf(bed.words)
        const wake = (): void => {
          all.delete(wake)
          resume(Effect.void)
        }
        all.add(wake)
        return Effect.sync(() => all.delete(wake))
      }),
    rang: (words) => {
      const found = sleepers.get(words.buffer as SharedArrayBuffer)
      if (found !== undefined) for (const wake of Array.from(found)) wake()
    }
  }
}

/**
 * The form in use; `async` unless another is provided.
 *
 * @category services
 * @since 0.1.0
 */
export const Waking = Context.Reference<Shape>("@selvedge/core/Waking", { defaultValue: makeAsync })

/**
 * Wakes fibers of the same thread without `waitAsync`: for virtual time, and for rings that never leave their thread.
 *
 * **Gotchas**: what another thread publishes wakes nobody here.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLocal: Layer.Layer<never> = Layer.sync(Waking, makeLocal)

/**
 * What a platform does about sleepers in other processes, for memory that they see too. It is told of every thread that may go
 * to sleep on a word, before it does, and of every word that was rung.
 *
 * @category models
 * @since 0.1.0
 */
export type Reach = Bell.Reach

/**
 * Installs it for this thread, in the place of the one before; for platforms.
 *
 * @category operations
 * @since 0.1.0
 */
export const reachBeyond: (reach: Reach | undefined) => void = Bell.reachBeyond
