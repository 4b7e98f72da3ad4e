/**
 * One counter, and a counter that is flushed now and then.
 *
 * @since 0.1.0
 */
import { show } from "../internal/show.ts"
import type { CounterId } from "./CounterId.ts"
import { InvalidCounter } from "./DiagnosticsError.ts"
import * as Table from "./internal/counterTable.ts"

/**
 * A place in shared memory that any thread may add to. Its operations are the functions of `Counters`, or these without an Effect, which
 * throw `InvalidCounter` where those fail.
 *
 * @category models
 * @since 0.1.0
 */
export class Counter {
  readonly definition: CounterId
  readonly label: string
  readonly ordinal: number
  private readonly values: BigInt64Array
  private readonly index: number
  private readonly onlyGrows: boolean

  /** @internal */
  constructor(definition: CounterId, label: string, ordinal: number, values: BigInt64Array, index: number) {
    this.definition = definition
    this.label = label
    this.ordinal = ordinal
    this.values = values
    this.index = index
    this.onlyGrows = definition.kind === "counter"
  }

  /** One atomic instruction. */
  addUnsafe(amount: number): void {
    if (!Number.isSafeInteger(amount) || (this.onlyGrows && amount < 0)) throw this.refusal("add", amount)
    Table.add(this.values, this.index, amount)
  }

  maxUnsafe(value: number): void {
    if (!Number.isSafeInteger(value) || this.definition.kind !== "max") throw this.refusal("max", value)
    Table.max(this.values, this.index, value)
  }

  setUnsafe(value: number): void {
    if (!Number.isSafeInteger(value) || this.onlyGrows) throw this.refusal("set", value)
    Table.set(this.values, this.index, value)
  }

  readUnsafe(): number {
    return Table.read(this.values, this.index)
  }

  /** Why an operation cannot be, if it cannot. */
  refusal(operation: "add" | "max" | "set", amount: number): InvalidCounter | undefined {
    const { kind, name } = this.definition
    if (!Number.isSafeInteger(amount)) return this.invalid(operation, show(amount), "a whole number below 2^53")
    if (operation === "add" && kind === "counter" && amount < 0) {
      return this.invalid(operation, show(amount), "a number from 0, because it only grows")
    }
    const allowed = operation === "add" || (operation === "set" ? kind !== "counter" : kind === "max")
    return allowed
      ? undefined
      : new InvalidCounter({ field: `${name}.${operation}`, found: kind, wanted: "another kind" })
  }

  private invalid(operation: string, found: string, wanted: string): InvalidCounter {
    return new InvalidCounter({ field: `${this.definition.name}.${operation}`, found, wanted })
  }
}

/**
 * Adds in the thread, and to the counter when it is flushed. A thread that is killed has lost what it had not flushed.
 *
 * @category models
 * @since 0.1.0
 */
export class Batch {
  readonly counter: Counter
  private readonly every: number
  private additions = 0
  private amount = 0

  /** @internal */
  constructor(counter: Counter, every: number) {
    this.counter = counter
    this.every = every
  }

  addUnsafe(amount: number): void {
    this.amount += amount
    if (++this.additions >= this.every) this.flushUnsafe()
  }

  flushUnsafe(): void {
    const { amount } = this
    this.additions = 0
    this.amount = 0
    if (amount !== 0) this.counter.addUnsafe(amount)
  }

  /** What was added since the last flush. */
  get pending(): number {
    return this.amount
  }
}
