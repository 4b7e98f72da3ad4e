import { assert, it } from "@effect/vitest"
import { OTHER, Table } from "../Table.ts"

const events = (text: string) =>
  text.split(" ").map((part) => ({ key: part.slice(0, 1), value: Number(part.slice(1)) }))

it("a table adds up per key and answers the top by count, then by name", () => {
  const table = new Table(10)
  for (const event of events("b1 a2 c5 b-3 c1 a4")) table.add(event)
  table.add({ key: "b", value: 0 })
  assert.deepStrictEqual([table.events, table.keys], [7, 3])
  assert.deepStrictEqual(table.top(2), [
    { key: "b", count: 3, sum: -2, min: -3, max: 1 },
    { key: "a", count: 2, sum: 6, min: 2, max: 4 }
  ])
})

it("a full table counts what has no place under one key and drops nothing", () => {
  const table = new Table(2)
  for (const event of events("a1 b1 c1 d1 a1")) table.add(event)
  assert.deepStrictEqual(
    table.top(9).map(({ count, key }) => [key, count]),
    [
      ["(other)", 2],
      ["a", 2],
      ["b", 1]
    ]
  )
  assert.strictEqual(table.events, 5)
  assert.isTrue(table.top(9).some(({ key }) => key === OTHER))
})

it("a table tells what changed once, and again what was given back", () => {
  const table = new Table(10, [{ key: "a", count: 3, sum: 3, min: 1, max: 1 }])
  assert.deepStrictEqual([table.events, table.takeChanges()], [3, []])
  for (const event of events("a1 b1")) table.add(event)
  const changes = table.takeChanges()
  assert.deepStrictEqual(
    changes.map(({ count, key }) => [key, count]),
    [
      ["a", 4],
      ["b", 1]
    ]
  )
  assert.deepStrictEqual(table.takeChanges(), [])
  table.giveBack(changes)
  table.add({ key: "b", value: 1 })
  assert.deepStrictEqual(
    table.takeChanges().map(({ count, key }) => [key, count]),
    [
      ["a", 4],
      ["b", 2]
    ]
  )
})
