/**
 * A line of somebody's log as a telemetry event: what kind of line it is, and how many bytes it has.
 */
import type { Event } from "../Event.ts"

/** `2026-05-20 10:11:12 status installed libc6:amd64 2.36` */
const DPKG = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?<action>\S+) (?<what>\S+)/

/** `2026-05-20T10:11:12+0000 host sshd[712]: message` */
const JOURNAL = /^\d{4}-\d\d-\d\dT\S+ \S+ (?<unit>[^\s:[]+)(?:\[\d+\])?:/

const FIRST_WORD = /[\p{L}\p{N}_.-]+/u

export const toEvent = (line: string): Event => ({ key: keyOf(line).slice(0, 200), value: Buffer.byteLength(line) })

const keyOf = (line: string): string => {
  const { action, what } = DPKG.exec(line)?.groups ?? {}
  // The other actions name a package there, and a key for each package would be a table of packages.
  if (action !== undefined) return action === "status" || action === "startup" ? `${action} ${what}` : action
  return JOURNAL.exec(line)?.groups?.["unit"] ?? FIRST_WORD.exec(line)?.[0] ?? "line"
}
