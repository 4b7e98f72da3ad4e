/**
 * A schedule as text: `0x5.1x8.2?0.1!producer@5` is five steps of the first
 * thread, eight of the second, one of the third; the answers of `choose` in the
 * order they were asked for; and `producer` dying before its sixth step.
 *
 * @internal
 */
import { ModelError } from "../ModelError.ts"

export interface Schedule {
  readonly path: ReadonlyArray<number>
  readonly choices: ReadonlyArray<number>
  readonly crashes: ReadonlyArray<{ readonly thread: string; readonly step: number }>
}

export const print = (schedule: Schedule): string => {
  const runs: Array<string> = []
  for (let i = 0; i < schedule.path.length;) {
    const thread = schedule.path[i]
    let n = 1
    while (schedule.path[i + n] === thread) n++
    runs.push(n === 1 ? `${thread}` : `${thread}x${n}`)
    i += n
  }
  const choices = schedule.choices.length === 0 ? "" : `?${schedule.choices.join(".")}`
  return runs.join(".") + choices + schedule.crashes.map((crash) => `!${crash.thread}@${crash.step}`).join("")
}

const refuse = (text: string, why: string): never => {
  throw new ModelError({
    reason: "options",
    message: `Not a schedule: ${JSON.stringify(text)}: ${why}. Wanted something like "0x5.1x8.2?0.1!producer@5".`
  })
}

export const parse = (text: string, names: ReadonlyArray<string>): Schedule => {
  if (typeof text !== "string") return refuse(text, "it is not a text")
  const [steps = "", ...deaths] = text.trim().split("!")
  const [runs = "", answers] = steps.split("?")
  const path: Array<number> = []
  for (const run of runs === "" ? [] : runs.split(".")) {
    const match = /^(\d+)(?:x(\d+))?$/.exec(run)
    if (match === null) return refuse(text, `${JSON.stringify(run)} is not a thread with a count`)
    const thread = Number(match[1])
    const count = Number(match[2] ?? 1)
    if (thread >= names.length) return refuse(text, `there is no thread ${thread}, only ${names.length}`)
    if (count > 1_000_000) return refuse(text, `${count} steps are too many`)
    for (let i = 0; i < count; i++) path.push(thread)
  }
  const choices = answers === undefined || answers === "" ? [] : answers.split(".").map(Number)
  if (choices.some((choice) => !Number.isInteger(choice) || choice < 0)) return refuse(text, "a choice is not a number")
  const crashes = deaths.map((death) => {
    const match = /^(.+)@(\d+)$/.exec(death)
    if (match === null) return refuse(text, `${JSON.stringify(death)} is not a death`)
    if (!names.includes(match[1] as string))
      return refuse(text, `there is no thread ${match[1]}, only ${names.join(", ")}`)
    return { thread: match[1] as string, step: Number(match[2]) }
  })
  return { path, choices, crashes }
}
