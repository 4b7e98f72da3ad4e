/**
 * What a failing execution did, step by step, with the line of source of each.
 * Only the run that is printed pays for it: finding a line takes longer than the
 * step itself.
 *
 * @internal
 */
import type { TraceSink } from "./execution.ts"
import type { Touched } from "./walker.ts"

interface Line {
  readonly step: number
  readonly thread: string
  readonly text: string
  readonly source: string
}

const here = new URL("..", import.meta.url).href
const hereAsPath = decodeURIComponent(new URL(here).pathname)

const working = (): string => {
  const process = (globalThis as { readonly process?: { readonly cwd?: () => string } }).process
  return process?.cwd?.() ?? ""
}

/** The first frame of the stack that is not the checker's own. */
export const sourceLine = (stack: string): string => {
  for (const frame of stack.split("\n").slice(1)) {
    if (frame.includes(here) || frame.includes(hereAsPath)) continue
    const match = /\(?((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*):(\d+):\d+\)?$/.exec(frame)
    if (match === null) continue
    const file = decodeURIComponent((match[1] as string).replace(/^file:\/\//, "").replace(/\?.*$/, ""))
    const root = working()
    return `${root !== "" && file.startsWith(`${root}/`) ? file.slice(root.length + 1) : file}:${match[2]}`
  }
  return ""
}

const callerLine = (): string => {
  const carrier = Error as { stackTraceLimit?: number }
  const limit = carrier.stackTraceLimit
  carrier.stackTraceLimit = 60
  const stack = new Error().stack ?? ""
  if (limit !== undefined) carrier.stackTraceLimit = limit
  return sourceLine(stack)
}

export class Trace implements TraceSink {
  readonly #names: ReadonlyArray<string>
  readonly lines: Array<Line> = []
  constructor(names: ReadonlyArray<string>) {
    this.#names = names
  }

  step(thread: number, step: number, text: string, touched: Touched | undefined): void {
    const source = touched === undefined ? "" : callerLine()
    this.lines.push({ step: step + 1, thread: this.#names[thread] ?? "?", text, source })
  }

  print(conclusion: string): string {
    const width = Math.max(0, ...this.lines.map((line) => line.thread.length))
    const texts = Math.min(64, Math.max(0, ...this.lines.map((line) => line.text.length)))
    let last = ""
    const rows = this.lines.map((line) => {
      const mark = line.thread === last ? " " : ">"
      last = line.thread
      return `${mark} ${String(line.step).padStart(4)}  ${line.thread.padEnd(width)}  ${line.text.padEnd(texts)}  ${line.source}`.trimEnd()
    })
    return [...rows, `  => ${conclusion}`].join("\n")
  }
}
