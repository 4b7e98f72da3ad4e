/**
 * The table "Exit codes" of docs/shutdown.md, row by row, and the whole product of reason and outcome.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ExitCode from "@selvedge/core/service/ExitCode"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as Cause from "effect/Cause"
import * as Runtime from "effect/Runtime"

class OwnCode extends Error {
  override readonly [Runtime.errorExitCode] = 42
}

const clean: ExitCode.Situation = {
  reason: ShutdownReason.RunCompleted(),
  forcedBy: undefined,
  failure: undefined,
  late: false,
  fault: false,
  signalExitCode: false
}

const reasons: ReadonlyArray<readonly [ShutdownReason.ShutdownReason | undefined, boolean]> = [
  [undefined, false],
  [ShutdownReason.Signal({ signal: "SIGTERM" }), false],
  [ShutdownReason.Signal({ signal: "SIGINT" }), false],
  [ShutdownReason.Signal({ signal: "SIGHUP" }), false],
  [ShutdownReason.Requested({ by: "test" }), false],
  [ShutdownReason.Reload(), false],
  [ShutdownReason.RunCompleted(), false],
  [ShutdownReason.ParentGone(), false],
  [ShutdownReason.ScopeClosed(), false],
  [ShutdownReason.TaskFailed({ id: 1, name: "t", kind: "BackgroundLoop", cause: Cause.fail("boom") }), true],
  [ShutdownReason.Fatal({ origin: "uncaughtException", cause: Cause.die("boom") }), true]
]

describe("the table of exit codes", () => {
  it("a second or third signal wins over everything and gives 128 + its number [S7]", () => {
    assert.strictEqual(ExitCode.of({ ...clean, forcedBy: "SIGINT", late: true, fault: true }), 130)
    assert.strictEqual(ExitCode.of({ ...clean, forcedBy: "SIGTERM", failure: Cause.fail("x") }), 143)
  })

  it("a failed start or run is 1, or the error's own code [S7]", () => {
    assert.strictEqual(ExitCode.of({ ...clean, failure: Cause.fail("x"), late: true }), 1)
    assert.strictEqual(ExitCode.of({ ...clean, failure: Cause.fail(new OwnCode()), late: true }), 42)
    assert.strictEqual(ExitCode.of({ ...clean, failure: Cause.die(new OwnCode()) }), 42)
  })

  it("an own code outside 0 to 255 is not used [S7]", () => {
    for (const code of [-1, 256, 1.5, Number.NaN, "7"]) {
      const cause = Cause.fail(Object.assign(new Error("x"), { [Runtime.errorExitCode]: code }))
      assert.strictEqual(ExitCode.of({ ...clean, failure: cause }), 1)
    }
  })

  it("TaskFailed and Fatal give the code of the error that caused them [S7]", () => {
    const cause = Cause.fail(new OwnCode())
    assert.strictEqual(
      ExitCode.of({ ...clean, reason: ShutdownReason.TaskFailed({ id: 1, name: "t", kind: "k", cause }) }),
      42
    )
    assert.strictEqual(ExitCode.of({ ...clean, reason: ShutdownReason.Fatal({ origin: "run", cause }) }), 42)
  })

  it("a missed deadline or something left behind is 124, above a fault of a hook [S7]", () => {
    assert.strictEqual(ExitCode.of({ ...clean, late: true }), 124)
    assert.strictEqual(ExitCode.of({ ...clean, late: true, fault: true }), 124)
  })

  it("a failed onStop, flush, postStop or finalizer is 1 [S7]", () => {
    assert.strictEqual(ExitCode.of({ ...clean, fault: true }), 1)
  })

  it("a clean stop after a signal is 0, and 128 + n by option [S7]", () => {
    for (const [signal, code] of [
      ["SIGTERM", 143],
      ["SIGINT", 130],
      ["SIGHUP", 129]
    ] as const) {
      const reason = ShutdownReason.Signal({ signal })
      assert.strictEqual(ExitCode.of({ ...clean, reason }), 0)
      assert.strictEqual(ExitCode.of({ ...clean, reason, signalExitCode: true }), code)
    }
  })

  it("is total: the whole product of reasons and outcomes has the code of the first matching row [S7]", () => {
    let rows = 0
    for (const [reason, failing] of reasons) {
      for (const forcedBy of [undefined, "SIGINT", "SIGTERM"] as const) {
        for (const failure of [
          undefined,
          Cause.fail<unknown>("x"),
          Cause.fail<unknown>(new OwnCode()),
          Cause.die("x")
        ]) {
          for (const late of [false, true]) {
            for (const fault of [false, true]) {
              for (const signalExitCode of [false, true]) {
                const code = ExitCode.of({ reason, forcedBy, failure, late, fault, signalExitCode })
                const own = failure !== undefined && Cause.squash(failure) instanceof OwnCode
                const signalled = reason?._tag === "Signal" && signalExitCode
                const expected =
                  forcedBy !== undefined
                    ? { SIGINT: 130, SIGTERM: 143 }[forcedBy]
                    : failure !== undefined || failing
                      ? own
                        ? 42
                        : 1
                      : late
                        ? 124
                        : fault
                          ? 1
                          : signalled
                            ? { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 }[reason.signal as "SIGTERM"]
                            : 0
                assert.strictEqual(code, expected)
                rows++
              }
            }
          }
        }
      }
    }
    assert.strictEqual(rows, reasons.length * 3 * 4 * 2 * 2 * 2)
  })
})
