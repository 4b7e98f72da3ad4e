/**
 * How far each thread of a model has come, in memory that outlives it.
 *
 * Every thread is a process and writes here what it is doing, because a process that is killed says nothing any more. What a body
 * returned is here for the same reason, behind its length.
 *
 * **Layout**: a line of 32 words for each thread, then a slot of `SLOT_BYTES` for each body's result: thread by thread, instance by
 * instance. A slot is a word with the length of what follows, as `v8.serialize` makes it.
 *
 * **Invariants**
 *
 * 1. For every thread `begun >= returned >= ended`, each the number of instances that far. Only that thread stores them.
 * 2. `ended` is stored after the slot is whole, so a result is there if and only if its instance has ended.
 * 3. `dead` is stored by the one who killed, after the kernel has said that the process is gone.
 *
 * @internal
 */
import { deserialize, serialize } from "node:v8"

const LINE_WORDS = 32
const BEGUN = 0
const RETURNED = 1
const ENDED = 2
const DEAD = 3
const PLACE = 4

/** One result with its length. */
const SLOT_BYTES = 2048

/** What a body did in one instance. */
export type Fate = "ended" | "before" | "inside" | "afterwards"

export class Progress {
  readonly memory: SharedArrayBuffer
  readonly threads: number
  readonly instances: number
  private readonly words: Int32Array
  private readonly bytes: Uint8Array

  constructor(memory: SharedArrayBuffer, threads: number, instances: number) {
    this.memory = memory
    this.threads = threads
    this.instances = instances
    this.words = new Int32Array(memory)
    this.bytes = new Uint8Array(memory)
  }

  static bytesFor(threads: number, instances: number): number {
    return threads * (LINE_WORDS * 4 + instances * SLOT_BYTES)
  }

  private slot(thread: number, instance: number): number {
    return this.threads * LINE_WORDS * 4 + (thread * this.instances + instance) * SLOT_BYTES
  }

  /** Before a round, by whoever starts it. */
  clear(): void {
    this.words.fill(0, 0, this.threads * LINE_WORDS)
  }

  begin(thread: number, instance: number): void {
    Atomics.store(this.words, thread * LINE_WORDS + BEGUN, instance + 1)
  }

  /** Throws when the result cannot be copied, or is too large. */
  end(thread: number, instance: number, result: unknown): void {
    Atomics.store(this.words, thread * LINE_WORDS + RETURNED, instance + 1)
    const copy = serialize(result)
    if (copy.length > SLOT_BYTES - 4) throw new Error(`wanted at most ${SLOT_BYTES - 4} bytes, found ${copy.length}`)
    const at = this.slot(thread, instance)
    this.words[at >> 2] = copy.length
    this.bytes.set(copy, at + 4)
    // Pairs with the load in `fate` (invariant 2).
    Atomics.store(this.words, thread * LINE_WORDS + ENDED, instance + 1)
  }

  bury(thread: number): void {
    Atomics.store(this.words, thread * LINE_WORDS + DEAD, 1)
  }

  begun(thread: number): number {
    return Atomics.load(this.words, thread * LINE_WORDS + BEGUN)
  }

  /** Whether it is in a body now. */
  isInside(thread: number): boolean {
    return this.begun(thread) > Atomics.load(this.words, thread * LINE_WORDS + RETURNED)
  }

  hasEnded(thread: number): boolean {
    return Atomics.load(this.words, thread * LINE_WORDS + ENDED) === this.instances
  }

  /** Whether who comes after that thread may begin. */
  isOver(thread: number, instance: number): boolean {
    const line = thread * LINE_WORDS
    return Atomics.load(this.words, line + DEAD) === 1 || Atomics.load(this.words, line + ENDED) > instance
  }

  /** Waits a little for the others to come to the same instance. */
  meet(thread: number, place: number, patience: number): void {
    Atomics.store(this.words, thread * LINE_WORDS + PLACE, place)
    for (let other = 0; other < this.threads; other++) {
      for (let i = 0; i < patience && Atomics.load(this.words, other * LINE_WORDS + PLACE) < place; i++);
    }
  }

  /** Of a thread that has ended its round, or is dead. */
  fate(thread: number, instance: number): Fate {
    const line = thread * LINE_WORDS
    if (Atomics.load(this.words, line + ENDED) > instance) return "ended"
    if (Atomics.load(this.words, line + RETURNED) > instance) return "afterwards"
    return Atomics.load(this.words, line + BEGUN) > instance ? "inside" : "before"
  }

  /** Of an instance that has ended. */
  result(thread: number, instance: number): unknown {
    const at = this.slot(thread, instance)
    // A copy: `deserialize` does not read shared memory.
    return deserialize(Buffer.from(this.bytes.slice(at + 4, at + 4 + (this.words[at >> 2] ?? 0))))
  }
}
