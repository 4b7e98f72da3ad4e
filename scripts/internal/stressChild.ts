/**
 * One run of one stress script: the child process that `stress.ts` starts.
 *
 * Arguments: path of the script, and its options as JSON. Prints one JSON line
 * and exits 1 on a violation; what the script throws is a violation too.
 *
 * @internal
 */
import { pathToFileURL } from "node:url"

/** What a script answers with: how much was done, and what went wrong. */
export interface StressResult {
  readonly counts: Readonly<Record<string, number>>
  readonly violations: ReadonlyArray<string>
}

/** What a script is asked to do. */
export interface StressOptions {
  readonly seed: number
  readonly seconds: number
  /** A script that moves records, or kills threads, and is told so ends when it has moved, or killed, so many. */
  readonly records?: number
  readonly kills?: number
}

/** What a `*.stress.ts` exports. */
export interface StressModule {
  readonly run: (options: StressOptions) => Promise<StressResult>
}

/** The line a run prints. */
export interface StressLine extends StressResult {
  readonly name: string
  readonly seed: number
  readonly seconds: number
}

/** The name a script goes by: its file name without the ending. */
export const nameOf = (file: string): string => (file.split(/[/\\]/).at(-1) ?? file).replace(/\.stress\.ts$/, "")

const main = async (file: string, options: StressOptions): Promise<void> => {
  let result: StressResult
  try {
    const { run } = (await import(pathToFileURL(file).href)) as StressModule
    result = await run(options)
  } catch (error) {
    result = {
      counts: {},
      violations: [`threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`]
    }
  }
  const { seed, seconds } = options
  const line: StressLine = { name: nameOf(file), seed, seconds, ...result }
  process.stdout.write(`${JSON.stringify(line)}\n`, () => process.exit(result.violations.length > 0 ? 1 : 0))
}

if (import.meta.main) {
  const [file = "", options = "{}"] = process.argv.slice(2)
  await main(file, JSON.parse(options) as StressOptions)
}
