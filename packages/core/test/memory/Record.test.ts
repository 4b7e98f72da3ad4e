/**
 * Records: what goes in comes out, what does not fit is refused, and no bytes escape.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Record from "@selvedge/core/memory/Record"

const All = Record.struct({
  flag: Record.boolean,
  i8: Record.i8,
  u16: Record.u16,
  i32: Record.i32,
  f32: Record.f32,
  u8: Record.u8,
  f64: Record.f64,
  i16: Record.i16,
  u32: Record.u32,
  i64: Record.i64,
  u64: Record.u64,
  name: Record.string(6),
  raw: Record.bytes(3)
})

const value: Record.Type<typeof All> = {
  flag: true,
  i8: -128,
  u16: 65_535,
  i32: -(2 ** 31),
  f32: 0.5,
  u8: 255,
  f64: Math.PI,
  i16: -32_768,
  u32: 2 ** 32 - 1,
  i64: -(2n ** 63n),
  u64: 2n ** 64n - 1n,
  name: "zoë",
  raw: Uint8Array.of(1, 2)
}

describe("Record", () => {
  it("every kind of field gives back what was written, in each of three slots [R14]", () => {
    const view = All.view(new SharedArrayBuffer(All.bytes * 3))
    for (let i = 0; i < 3; i++) {
      view.moveTo(i * All.bytes)
      Object.assign(view.slot, { ...value, i32: i })
    }
    for (let i = 0; i < 3; i++) {
      view.moveTo(i * All.bytes)
      assert.deepStrictEqual(view.read(), { ...value, i32: i })
    }
  })

  it("a value that does not fit is refused, naming wanted and found, and changes nothing [R14]", () => {
    const view = All.view(new SharedArrayBuffer(All.bytes))
    Object.assign(view.slot, value)
    const wrong: ReadonlyArray<readonly [string, unknown, string]> = [
      ["i8", 128, "a whole number from -128 to 127, found 128"],
      ["u8", -1, "found -1"],
      ["u16", 0.5, "found 0.5"],
      ["i32", Number.NaN, "found NaN"],
      ["u32", 2 ** 32, "found 4294967296"],
      ["i64", 2n ** 63n, "found 9223372036854775808"],
      ["u64", 1, "found 1"],
      ["f64", "1", 'found "1"'],
      ["flag", 1, "true or false, found 1"],
      ["name", "1234567", "at most 6 bytes, found 7"],
      ["raw", "x", 'a Uint8Array, found "x"']
    ]
    for (const [field, bad, message] of wrong) {
      try {
        Object.assign(view.slot, { [field]: bad })
        assert.fail(`${field} took ${String(bad)}`)
      } catch (error) {
        assert.instanceOf(error, Record.RecordError)
        assert.include(error.message, message)
      }
    }
    assert.deepStrictEqual(view.read(), value)
  })

  it("a record is written whole, by any view of its schema, and one that lacks a field is refused [R14]", () => {
    const memory = new SharedArrayBuffer(All.bytes * 2)
    const [there, here] = [All.view(memory), All.view(memory)]
    there.moveTo(All.bytes)
    here.moveTo(All.bytes)
    there.write(value)
    assert.deepStrictEqual(here.read(), value)
    assert.deepStrictEqual({ ...here.slot }, value)
    assert.instanceOf(here.slot.raw.buffer, ArrayBuffer)
    const { raw: _, ...rest } = value
    assert.throws(() => there.write(rest as typeof value), "a Uint8Array, found undefined")
    here.setGuard(() => {
      throw new Error("not now")
    })
    assert.throws(() => here.slot.i8, "not now")
    assert.throws(() => here.write(value), "not now")
    assert.strictEqual(there.slot.i8, value.i8)
  })

  it("a field cannot have a name that objects use themselves [R14]", () => {
    assert.throws(() => Record.struct({ ["__proto__"]: Record.f64 }), "a name that objects do not use")
  })

  it("whatever a slot's bytes are, reading stays in the slot and gives values of the fields' types [R14]", () => {
    const Text = Record.struct({ name: Record.string(6), raw: Record.bytes(3) })
    const memory = new SharedArrayBuffer(Text.bytes * 2)
    const bytes = new Uint8Array(memory)
    for (let seed = 0; seed < 200; seed++) {
      for (let i = 0; i < Text.bytes; i++) bytes[i] = (seed * 37 + i * 101) & 255
      bytes.fill(65, Text.bytes)
      const view = Text.view(memory)
      view.moveTo(0)
      const { name, raw } = view.read()
      assert.isAtMost(name.length, 6)
      assert.isAtMost(raw.length, 3)
      assert.notInclude(name, "A".repeat(3))
    }
  })

  it("a schema is told by its names, types and places [R1] [R14]", () => {
    const one = Record.struct({ a: Record.i32, b: Record.f64 })
    assert.strictEqual(one.description, '"a":i32@0,"b":f64@8')
    assert.strictEqual(one.bytes, 16)
    for (const other of [
      Record.struct({ b: Record.i32, a: Record.f64 }),
      Record.struct({ a: Record.u32, b: Record.f64 }),
      Record.struct({ a: Record.i32, b: Record.f64, c: Record.boolean })
    ]) {
      assert.notDeepEqual(other.fingerprint, one.fingerprint)
    }
    assert.throws(() => Record.struct({}), /at least one field/)
    assert.throws(() => Record.string(0), /from 1 to 65535, found 0/)
  })
})
