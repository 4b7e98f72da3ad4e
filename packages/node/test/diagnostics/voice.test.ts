/** The thread that writes for the watchdog: there while something is said, and not after. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { Voice } from "../../src/diagnostics/internal/voice.ts"

/** Only Linux shows a process's threads and their names as files. */
const showsThreads = existsSync("/proc/self/task")

const voices = Effect.sync(
  () =>
    readdirSync("/proc/self/task").filter((task) => {
      try {
        return readFileSync(`/proc/self/task/${task}/comm`, "latin1").trim() === "watchdog-voice"
      } catch {
        // It has ended meanwhile.
        return false
      }
    }).length
)

/** Ends with the test if it never comes. */
const until = (isSo: Effect.Effect<boolean>) =>
  Effect.repeat(
    Effect.tap(isSo, () => Effect.sleep(5)),
    { until: Boolean }
  )

describe("the watchdog's voice", () => {
  it.live.runIf(showsThreads)(
    "is a thread that ends when it has been quiet, and is there again for the next text [D7]",
    () =>
      Effect.gen(function* () {
        const voice = new Voice(20)
        for (let turn = 0; turn < 2; turn++) {
          // Nothing to read, and said all the same.
          voice.write("")
          assert.isTrue(voice.hasThread)
          yield* until(Effect.sync(() => !voice.hasThread))
          yield* until(Effect.map(voices, (count) => count === 0))
        }
      })
  )
})
