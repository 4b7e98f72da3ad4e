/**
 * `npm start`: the gateway under load, stopped by SIGTERM while one of its tasks refuses to stop, and checked from
 * outside.
 *
 * Three processes: the service, the load, and this one, which sees only HTTP, files, what the others print, and exit
 * codes. It ends with 0 if every step was seen. `--break=STEP` plants a flaw, to show that the step can fail.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { parseArgs } from "node:util"
import { Board } from "./demo/Board.ts"
import { nowMillis } from "./demo/Child.ts"
import { observe } from "./demo/observe.ts"
import * as Progress from "./demo/progress.ts"
import { isStep, names, steps } from "./demo/steps.ts"

/** Told already; only the exit code is left to set. */
class Failed extends Data.TaggedError("Failed") {
  override readonly [Runtime.errorReported] = false
}

const usage = [
  "usage: npm start -- [--break=STEP]\n",
  "STEP       what is then broken",
  ...names.map((name) => `${name.padEnd(10)} ${steps[name].broken}`)
].join("\n")

const fail = (text: string) => Effect.andThen(Console.error(text), Effect.fail(new Failed()))

/** An argument that cannot be, told already. */
class Refused extends Data.TaggedError("Refused") {
  override readonly [Runtime.errorReported] = false
  override readonly [Runtime.errorExitCode] = 2
}

const refuse = (text: string) =>
  Effect.andThen(Console.error(`start: ${text} (--help tells what there is)`), Effect.fail(new Refused()))

const options = Effect.gen(function* () {
  const { values } = yield* Effect.try({
    try: () => parseArgs({ options: { break: { type: "string" }, help: { type: "boolean" } } }),
    catch: (error) => (error instanceof Error ? error.message : String(error)).split(". To specify")[0]!
  }).pipe(Effect.catch(refuse))
  const broken = values.break
  if (broken !== undefined && !isStep(broken)) {
    return yield* refuse(`--break: wanted one of ${names.join(", ")}, found ${JSON.stringify(broken)}`)
  }
  return { help: values.help === true, broken }
})

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(`${tmpdir()}/selvedge-demo-`)),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const main = Effect.gen(function* () {
  const { broken, help } = yield* options
  if (help) return yield* Console.log(usage)
  if (broken !== undefined) yield* Console.log(`broken on purpose: ${broken} (${steps[broken].broken})`)
  const began = yield* nowMillis
  const board = new Board()
  const anyText = new URL("../../package-lock.json", import.meta.url).pathname
  yield* Effect.scoped(
    Effect.gen(function* () {
      const progress = yield* Progress.make(process.stdout)
      yield* observe({ board, progress, broken, folder: yield* folder, anyText })
    })
  )
  const seconds = (((yield* nowMillis) - began) / 1000).toFixed(1)
  const { unseen } = board
  yield* Console.log(`${board.render()}\n`)
  if (unseen.length === 0) return yield* Console.log(`all ${names.length} steps seen in ${seconds} s`)
  return yield* fail(`${unseen.length} of ${names.length} steps not seen: ${unseen.join(", ")} (${seconds} s)`)
})

NodeRuntime.runMain(main)
