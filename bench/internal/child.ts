/**
 * One run of one side: the child process that `run.ts` starts.
 *
 * Arguments: path of the part, name of the case, name of the side (`ours` is
 * the empty name). Answers once over the channel to its parent and exits, so a
 * side may print what it likes.
 *
 * @internal
 */
import { pathToFileURL } from "node:url"
import type { Case } from "../harness.ts"
import type { Answer } from "./protocol.ts"

const [partPath, caseName, sideName] = process.argv.slice(2)

const answer = async (): Promise<Answer> => {
  if (partPath === undefined) throw new Error("no part given")
  const { cases } = (await import(pathToFileURL(partPath).href)) as { readonly cases: ReadonlyArray<Case> }
  const found = cases.find((one) => one.name === caseName)
  if (found === undefined) throw new Error(`no case named "${caseName}"`)
  const side = sideName === "" ? found.ours : found.against.find((one) => one.name === sideName)?.run
  if (side === undefined) throw new Error(`case "${caseName}" has no baseline named "${sideName}"`)
  const sample = await side()
  return { sample: typeof sample === "number" ? { value: sample } : sample }
}

const sent = (message: Answer): void => {
  process.send?.(message, () => process.exit(0))
}

answer().then(sent, (error: unknown) => sent({ error: error instanceof Error ? error.message : String(error) }))
