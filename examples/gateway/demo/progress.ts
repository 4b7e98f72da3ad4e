/**
 * One line about what goes on: rewritten in place on a terminal, one every two seconds elsewhere.
 */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"

export interface Progress {
  say: (text: string) => void
}

export const make = (stdout: NodeJS.WriteStream): Effect.Effect<Progress, never, Scope> =>
  Effect.gen(function* () {
    const { isTTY } = stdout
    let text = ""
    let shown = ""
    const show = Effect.sync(() => {
      if (text === shown) return
      shown = text
      stdout.write(isTTY ? `\r\u001B[K${text.slice(0, (stdout.columns ?? 80) - 1)}` : `${text}\n`)
    })
    yield* show.pipe(
      Effect.andThen(Effect.sleep(isTTY ? "100 millis" : "2 seconds")),
      Effect.forever,
      Effect.forkScoped
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => isTTY && stdout.write("\r\u001B[K")))
    return { say: (next) => (text = next) }
  })
