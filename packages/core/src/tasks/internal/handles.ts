/**
 * Numbers by id, for ids that are given out one after the other and seldom live long: an array with a place for each id modulo its length,
 * and a map for the few whose place is taken. A map alone costs a spawn and an end as much as registering a strand does.
 *
 * @internal
 */
export class Handles {
  private readonly ids: Float64Array
  private readonly values: Float64Array
  private readonly mask: number
  private readonly others = new Map<number, number>()

  /** `expected`: how many there may be at once. */
  constructor(expected: number) {
    const length = 2 ** Math.ceil(Math.log2(Math.max(16, expected)))
    this.ids = new Float64Array(length)
    this.values = new Float64Array(length)
    this.mask = length - 1
  }

  /** `id` is from 1 on, and not in here. */
  add(id: number, value: number): void {
    const at = id & this.mask
    if (this.ids[at] !== 0) return void this.others.set(id, value)
    this.ids[at] = id
    this.values[at] = value
  }

  /** Takes out what was added under an id; `undefined` if nothing was. */
  take(id: number): number | undefined {
    const at = id & this.mask
    if (this.ids[at] === id) {
      this.ids[at] = 0
      return this.values[at]
    }
    if (this.others.size === 0) return undefined
    const found = this.others.get(id)
    if (found !== undefined) this.others.delete(id)
    return found
  }
}
