/**
 * Where what a worker writes to stdout and stderr goes: where its parent's goes, as it is or with its name before every line.
 *
 * @internal
 */
import type { Facts } from "@selvedge/core/workers/WorkerContext"
import type { Readable, Writable } from "node:stream"

export type Output = "inherit" | "prefix"

/** A line longer than this is written in parts. */
const MAX_LINE = 65_536

export const prefix = (
  worker: { readonly stdout: Readable | null; readonly stderr: Readable | null },
  { name, serviceOrdinal }: Facts
): void => {
  const label = `[${name} ${serviceOrdinal}] `
  if (worker.stdout !== null) lines(worker.stdout, process.stdout, label)
  if (worker.stderr !== null) lines(worker.stderr, process.stderr, label)
}

/** Passes text on line by line, each with a label; what has no end of line yet waits for it. */
export const lines = (from: Readable, to: Writable, label: string): void => {
  let rest = ""
  const write = (line: string): void => void to.write(`${label}${line}\n`)
  from.setEncoding("utf8")
  from.on("data", (text: string) => {
    const found = (rest + text).split("\n")
    rest = found.pop() ?? ""
    for (const line of found) write(line)
    if (rest.length > MAX_LINE) {
      write(rest)
      rest = ""
    }
  })
  from.on("end", () => {
    if (rest !== "") write(rest)
  })
}
