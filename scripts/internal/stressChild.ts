/**
 * One run of one stress script: the child process that `stress.ts` starts.
 *
 * Arguments: path of the script, seed, seconds. Prints one JSON line and exits
 * 1 on a violation; what the script throws is a violation too.
 *
 * @internal
 */
import { pathToFileURL } from "node:url"

/** What a script answers with: how much was done, and what went wrong. */
export interface StressResult {
  readonly counts: Readonly<Record<string, number>>
  readonly violations: ReadonlyArray<string>
}

/** What a `*.stress.ts` exports. */
export interface StressModule {
  readonly run: (options: { readonly seed: number; readonly seconds: number }) => Promise<StressResult>
}

/** The line a run prints. */
export interface StressLine extends StressResult {
  readonly name: string
  readonly seed: number
  readonly seconds: number
}

/** The name a script goes by: its file name without the ending. */
export const nameOf = (file: string): string => (file.split(/[/\\]/).at(-1) ?? file).replace(/\.stress\.ts$/, "")

const main = async (file: string, seed: number, seconds: number): Promise<void> => {
  let result: StressResult
  try {
    const { run } = (await import(pathToFileURL(file).href)) as StressModule
    result = await run({ seed, seconds })
  } catch (error) {
    result = {
      counts: {},
      violations: [`threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`]
    }
  }
  const line: StressLine = { name: nameOf(file), seed, seconds, ...result }
  process.stdout.write(`${JSON.stringify(line)}\n`, () => process.exit(result.violations.length > 0 ? 1 : 0))
}

if (import.meta.main) {
  const [file = "", seed, seconds] = process.argv.slice(2)
  await main(file, Number(seed), Number(seconds))
}
