import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Event from "../Event.ts"
import { type Line, Lines } from "../Lines.ts"
import { toEvent } from "../load/LogLine.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const linesOf = (maxBytes: number, ...chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<Line> => {
  const lines = new Lines(maxBytes)
  return [...chunks.flatMap((chunk) => lines.push(chunk)), ...lines.end()]
}

describe("lines", () => {
  it("are the same however the bytes were cut", () => {
    const text = bytes('{"a":"ä€🙂"}\r\n\n second \nlast')
    const whole = linesOf(100, text)
    assert.deepStrictEqual(whole, [
      { number: 1, text: '{"a":"ä€🙂"}' },
      { number: 3, text: "second" },
      { number: 4, text: "last" }
    ])
    for (let size = 1; size < text.length; size++) {
      const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.subarray(i * size, (i + 1) * size)
      )
      assert.deepStrictEqual(linesOf(100, ...chunks), whole, `chunks of ${size} bytes`)
    }
  })

  it("that are too long or not UTF-8 are told by their number, and the next ones are kept", () => {
    const found = linesOf(
      5,
      bytes("12345\n123456\n"),
      bytes("1234567"),
      bytes("89\n"),
      Uint8Array.of(0xc3, 10),
      bytes("ok")
    )
    assert.deepStrictEqual(found, [
      { number: 1, text: "12345" },
      { number: 2, problem: "wanted at most 5 bytes in a line, found 6" },
      { number: 3, problem: "wanted at most 5 bytes in a line, found 9" },
      { number: 4, problem: "wanted UTF-8, found other bytes" },
      { number: 5, text: "ok" }
    ])
  })
})

describe("an event", () => {
  it("comes back from its line", () => {
    const event = { key: 'a "quoted" key', value: -0.5 }
    assert.deepStrictEqual(Event.parse(Event.format(event)), Result.succeed(event))
  })

  it("is refused in one line that names the field", () => {
    const why = (line: string): string => Result.getOrElse(Result.flip(Event.parse(line)), () => "accepted")
    assert.include(why('{"value":1}'), '["key"]')
    assert.include(why('{"key":"","value":1}'), '["key"]')
    assert.include(why(`{"key":"${"k".repeat(201)}","value":1}`), '["key"]')
    assert.include(why('{"key":"a","value":"1"}'), '["value"]')
    assert.include(why('{"key":"a","value":1e999}'), '["value"]')
    for (const line of ["nonsense", "[]", "null", '{"key":3,"value":"x"}']) {
      assert.notInclude(why(line), "accepted")
      assert.notInclude(why(line), "\n")
    }
  })

  it("is made of any line of a log", () => {
    const key = (line: string): string => toEvent(line).key
    assert.strictEqual(key("2026-05-20 10:11:12 status installed libc6:amd64 2.36-9"), "status installed")
    assert.strictEqual(key("2026-05-20 10:11:12 upgrade libc6:amd64 2.35 2.36"), "upgrade")
    assert.strictEqual(key("2026-05-20T10:11:12+0000 host sshd[712]: Server listening"), "sshd")
    assert.strictEqual(key("2026-05-20T10:11:12+0000 host kernel: Linux version"), "kernel")
    assert.strictEqual(key('  "name": "x"'), "name")
    assert.strictEqual(key("}{"), "line")
    assert.strictEqual(key("k".repeat(300)).length, 200)
    assert.strictEqual(toEvent("ä").value, 2)
  })
})
