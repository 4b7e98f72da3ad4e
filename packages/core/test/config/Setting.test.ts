import { assert, describe, it } from "@effect/vitest"
import * as Setting from "@selvedge/core/config/Setting"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

const withEnvironment = (env: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))

const grace = Setting.duration("SELVEDGE_GRACE", "grace", { default: "5 seconds", min: "1 millis", max: "1 minute" })
const count = Setting.integer("SELVEDGE_COUNT", "count", { default: 4, min: 1, max: 8 })
const quiet = Setting.boolean("SELVEDGE_QUIET", "quiet", false)
const mode = Setting.word("SELVEDGE_MODE", "mode", ["soft", "hard"], "soft")
const file = Setting.path("SELVEDGE_FILE", "file")

const resolve = <A>(setting: Setting.Setting<A>, value: unknown, env?: string) =>
  setting.resolve(value).pipe(withEnvironment(env === undefined ? {} : { [setting.variable]: env }))

describe("which value counts", () => {
  it.effect("takes the variable, else the option, else the default [Q7]", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* resolve(count, 5, "6"), 6)
      assert.strictEqual(yield* resolve(count, 5), 5)
      assert.strictEqual(yield* resolve(count, undefined), 4)
      assert.isUndefined(yield* resolve(file, undefined))
    })
  )

  it.effect("takes an empty variable as one that is not set [Q7]", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* resolve(count, 5, ""), 5)
      assert.strictEqual(yield* resolve(mode, undefined, ""), "soft")
    })
  )

  it.effect("names the variable, the option, what was found and what is allowed [Q7]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(resolve(count, undefined, "many"))
      assert.strictEqual(
        error.message,
        'SELVEDGE_COUNT (option count): wanted a whole number from 1 to 8, found "many"'
      )
      assert.deepStrictEqual([error.variable, error.option, error.value], ["SELVEDGE_COUNT", "count", '"many"'])
    })
  )
})

describe("durations", () => {
  it.effect("reads text, numbers of milliseconds and durations [Q7]", () =>
    Effect.gen(function* () {
      const found = [
        yield* resolve(grace, undefined, "1500 millis"),
        yield* resolve(grace, undefined, "1500"),
        yield* resolve(grace, undefined, " 1500 "),
        yield* resolve(grace, 1500),
        yield* resolve(grace, Duration.millis(1500))
      ]
      assert.deepStrictEqual(found.map(Duration.toMillis), [1500, 1500, 1500, 1500, 1500])
      assert.strictEqual(Duration.toMillis(yield* resolve(grace, undefined)), 5000)
      assert.strictEqual(Duration.toMillis(yield* resolve(grace, "1 minute")), 60_000)
      assert.strictEqual(Duration.toMillis(yield* resolve(grace, 1)), 1)
    })
  )

  it.effect("refuses what is no duration or outside of the range [Q7]", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<unknown> = [
        0,
        -1,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        60_001,
        "61 seconds",
        "-1 second",
        "soon",
        "",
        null,
        {},
        [],
        true,
        Duration.infinity
      ]
      for (const value of wrong) {
        const error = yield* Effect.flip(resolve(grace, value))
        assert.include(error.message, "a duration from 1ms to 1m", String(value))
      }
      for (const text of ["0", "1e3", "Infinity", "-5", "5 parsecs", "0x10"]) {
        const error = yield* Effect.flip(resolve(grace, undefined, text))
        assert.strictEqual(error.value, JSON.stringify(text))
      }
    })
  )

  it.effect("takes an object for a duration only if all of it is part of one [Q7]", () =>
    Effect.gen(function* () {
      const check = Setting.durationOption("lastWords", { min: 0, max: "1 hour" })
      assert.strictEqual(Duration.toMillis(yield* check({ minutes: 1, seconds: 2, hours: undefined })), 62_000)
      assert.strictEqual(Duration.toMillis(yield* check([1, 500_000_000])), 1500)
      for (const value of [
        {},
        { secs: 5 },
        { seconds: Number.NaN },
        { seconds: "5" },
        { seconds: 5, of: 1 },
        [NaN, 0],
        []
      ]) {
        assert.strictEqual((yield* Effect.flip(check(value))).option, "lastWords", JSON.stringify(value))
      }
    })
  )

  it.effect("checks a duration that exists only in code [Q7]", () =>
    Effect.gen(function* () {
      const check = Setting.durationOption("lastWords", { min: 0, max: "1 hour" })
      assert.strictEqual(Duration.toMillis(yield* check("1 hour")), 3_600_000)
      const error = yield* Effect.flip(check("61 minutes"))
      assert.strictEqual(error.message, 'lastWords: wanted a duration from 0 to 1h, found "61 minutes"')
    })
  )
})

describe("other settings", () => {
  it.effect("refuses fractions, other bases, numbers out of range and other types for a whole number [Q7]", () =>
    Effect.gen(function* () {
      for (const value of [0, 9, 1.5, Number.NaN, "x", null, true]) yield* Effect.flip(resolve(count, value))
      for (const text of ["0", "9", "1.5", "0x4", "4 4", "1e0"]) {
        yield* Effect.flip(resolve(count, undefined, text))
      }
      assert.strictEqual(yield* resolve(count, undefined, "+3"), 3)
    })
  )

  it.effect("reads the usual words for true and false, and no others [Q7]", () =>
    Effect.gen(function* () {
      for (const text of ["true", "1", "YES", "on"]) assert.isTrue(yield* resolve(quiet, undefined, text))
      for (const text of ["false", "0", "No", "off"]) assert.isFalse(yield* resolve(quiet, true, text))
      for (const text of ["2", "maybe"]) yield* Effect.flip(resolve(quiet, undefined, text))
      yield* Effect.flip(resolve(quiet, 1))
    })
  )

  it.effect("takes one of its words, and a path that can be one [Q7]", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* resolve(mode, undefined, "hard"), "hard")
      const error = yield* Effect.flip(resolve(mode, "Hard"))
      assert.include(error.message, '"soft" or "hard"')
      assert.strictEqual(yield* resolve(file, "/tmp/x"), "/tmp/x")
      for (const value of ["", "a\0b", 3]) yield* Effect.flip(resolve(file, value))
    })
  )

  it.effect("shows any value it refuses without failing itself [Q7]", () =>
    Effect.gen(function* () {
      const circular: Record<string, unknown> = {}
      circular["self"] = circular
      const check = Setting.option("order", "a finite number", (value) => typeof value === "number")
      const shown = yield* Effect.forEach([circular, Symbol("s"), 5n, null, undefined, "text"], (value) =>
        Effect.map(Effect.flip(check(value)), (error) => error.value)
      )
      assert.deepStrictEqual(shown, ["Object", "Symbol(s)", "5", "null", "undefined", '"text"'])
      yield* check(1)
    })
  )

  it.effect("shows of what it refuses no more than fits in a line [Q7]", () =>
    Effect.gen(function* () {
      const check = Setting.option("order", "a finite number", (value) => typeof value === "number")
      const long = "x".repeat(1_000_000)
      const found = [
        long,
        { long },
        { toJSON: () => undefined },
        Object.create(null),
        () => long,
        Symbol(long),
        { a: 1 }
      ]
      const shown = yield* Effect.forEach(found, (value) =>
        Effect.map(Effect.flip(check(value)), (error) => error.value)
      )
      assert.isTrue(shown.every((text) => text.length <= 80))
      assert.deepStrictEqual(shown.slice(1, 5), ["Object", "Object", "{}", "a function"])
      assert.strictEqual(shown[6], '{"a":1}')
    })
  )
})
