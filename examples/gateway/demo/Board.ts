/**
 * What was seen of each step, and the table of it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { NotSeen, nowMillis } from "./Child.ts"
import { names, type Step, steps } from "./steps.ts"

interface Row {
  readonly seen: boolean
  readonly note: string
  readonly millis: number
}

/** No step may take longer than this. */
const PATIENCE = "20 seconds"

export class Board {
  private readonly rows = new Map<Step, Row>()

  /** Runs the check of one step; a step that is not seen is noted, and the next may still be. */
  readonly step = <A>(
    name: Step,
    check: Effect.Effect<{ readonly note: string; readonly value: A }, NotSeen>
  ): Effect.Effect<Option.Option<A>> =>
    Effect.gen({ self: this }, function* () {
      const began = yield* nowMillis
      const exit = yield* check.pipe(
        Effect.timeoutOrElse({
          duration: PATIENCE,
          orElse: () => Effect.fail(new NotSeen({ wanted: "an end", found: `none within ${PATIENCE}` }))
        }),
        Effect.exit
      )
      if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
      const note = Exit.isSuccess(exit) ? exit.value.note : oneLine(Cause.squash(exit.cause))
      this.rows.set(name, { seen: Exit.isSuccess(exit), note, millis: (yield* nowMillis) - began })
      return Exit.isSuccess(exit) ? Option.some(exit.value.value) : Option.none()
    })

  get unseen(): ReadonlyArray<Step> {
    return names.filter((name) => this.rows.get(name)?.seen !== true)
  }

  render(): string {
    const lines = names.map((name) => {
      const row = this.rows.get(name)
      const verdict = row === undefined ? "----" : row.seen ? " ok " : "FAIL"
      const millis = row === undefined ? "" : `${(row.millis / 1000).toFixed(1)} s`
      return ` ${verdict}  ${name.padEnd(9)} ${millis.padStart(6)}  ${steps[name].shows}\n${" ".repeat(25)}${row?.note ?? "not reached"}`
    })
    return lines.join("\n")
  }
}

const oneLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ").slice(0, 300)
