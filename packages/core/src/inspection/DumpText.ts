/**
 * A dump as lines for people.
 *
 * Plain code without Effect in it, because the watchdog's thread renders dumps too, and starts in a few milliseconds.
 * Every word that came from a user is quoted or cut to one line: a name with a line break forges no second line.
 *
 * @since 0.1.0
 */
import { label, quote } from "../internal/quote.ts"
import { formatAge, renderTreeWith } from "../tasks/Task.ts"
import type { Dump, StrandRow, TaskRow } from "./DumpSchema.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many tasks are drawn. Default 100. */
  readonly maxTasks?: number | undefined
  /** How many strands are listed. Default 20. */
  readonly maxStrands?: number | undefined
}

/**
 * The dump as text, ending in a line break. What there is none of is not mentioned.
 *
 * @category operations
 * @since 0.1.0
 */
export const render = (dump: Dump, options?: Options): string =>
  [
    headline(dump),
    ...service(dump),
    ...totals(dump),
    ...dump.warnings.map((warning) => `warning: ${oneLine(warning)}`),
    ...blocked(dump),
    ...tasks(dump, options?.maxTasks ?? 100),
    ...strands(dump, options?.maxStrands ?? 20),
    ...workers(dump),
    ...incidents(dump),
    ...rings(dump),
    ...notifiers(dump),
    ...counters(dump),
    ...memory(dump),
    ...census(dump),
    ...sections(dump),
    ...flight(dump),
    "=== end of dump ===",
    ""
  ].join("\n")

type Lines = ReadonlyArray<string>

const indent = (lines: Lines): Lines => lines.map((line) => `  ${line}`)

/** A text that is ours in the main, on one line. */
const oneLine = (text: string): string => (/\p{Cc}|\p{Zl}|\p{Zp}/u.test(text) ? quote(text) : text)

const headline = (dump: Dump): string => {
  const of =
    dump.process === null
      ? ""
      : ` of process ${dump.process.pid} (${dump.process.runtime}, up ${formatAge(dump.process.uptimeMillis)})`
  return `=== selvedge dump${of}, ${new Date(dump.takenAt).toISOString()}, asked for by ${dump.occasion} ===`
}

const service = ({ service: facts, tasks }: Dump): Lines => {
  if (facts === null) return [`${tasks.live} live task(s)`]
  const phase = facts.phase === null ? "" : `, phase ${facts.phase}`
  const left =
    facts.stage === "stopped"
      ? "ended"
      : facts.budgetLeftMillis === null
        ? "not stopping"
        : `${formatAge(facts.budgetLeftMillis)} of the budget left`
  const reason = facts.reason === null ? "" : `, reason ${oneLine(facts.reason)}`
  return [`${label(facts.name)}: ${facts.stage}${phase}, ${left}${reason}; ${tasks.live} live task(s)`]
}

const totals = ({ totals: found }: Dump): Lines => {
  if (found === null) return []
  const { active, completed, lost, of, overflow, peak, spawned } = found
  const more = [lost > 0 ? `, ${lost} LOST` : "", overflow > 0 ? `, ${overflow} without a slot` : ""].join("")
  return [`${of}: ${active} active, ${spawned} spawned, ${completed} completed, peak ${peak}${more}`]
}

const blocked = ({ blocked: found }: Dump): Lines => {
  if (found === null) return []
  const by = found.task === null ? "by code that belongs to no task" : `by task ${titleOf(found.task)}`
  return [
    `event loop ${label(found.loop)} blocked for ${formatAge(found.blockedMillis)} ${by}`,
    ...indent(found.stack.length === 0 ? ["(no stack: native code is running)"] : found.stack.map(oneLine))
  ]
}

const titleOf = (task: { readonly id: number; readonly name: string; readonly kind: string }): string =>
  `${quote(task.name)} (${label(task.kind)} #${task.id})`

const tasks = ({ tasks: { live, rows } }: Dump, most: number): Lines => {
  if (rows.length === 0) return []
  const shown = rows.slice(0, most)
  return [`tasks, oldest first:`, renderTreeWith(shown, taskLines), ...more(live - shown.length)]
}

const more = (count: number): Lines => (count > 0 ? [`… and ${count} more`] : [])

const taskLines = (task: TaskRow): Lines => {
  const extras = [
    task.state === "running" ? undefined : task.state,
    task.onCpu ? "RUNNING NOW" : undefined,
    task.stuck ? "stuck" : undefined,
    task.restarts > 0 ? `${task.restarts} restart(s)` : undefined
  ].filter((extra) => extra !== undefined)
  const suffix = extras.length > 0 ? `, ${extras.join(", ")}` : ""
  return [
    `${quote(task.name)} (${label(task.kind)} #${task.id}, ${formatAge(task.ageMillis)}${suffix})`,
    ...(task.waitingFor === null ? [] : [`    waits for ${oneLine(task.waitingFor)}`]),
    ...levels(task.inside, task.insideMillis).map((line) => `    ${line}`)
  ]
}

const levels = (inside: TaskRow["inside"], insideMillis: number | null): Lines =>
  inside.map(({ at, name }, index) => {
    const since = index === 0 && insideMillis !== null ? ` for ${formatAge(insideMillis)}` : ""
    return `${index === 0 ? "inside" : "    in"} ${quote(name)}${since}${at === null ? "" : ` at ${oneLine(at)}`}`
  })

const strands = ({ strands: found }: Dump, most: number): Lines => {
  const count = found.rows.length + found.more
  if (count === 0) return []
  return [
    `active strands, oldest first:`,
    ...indent(found.rows.slice(0, most).map(strandLine)),
    ...indent(more(count - Math.min(most, found.rows.length)))
  ]
}

const strandLine = (row: StrandRow): string => {
  const worker = row.worker === "main" ? "" : `, worker ${row.worker}`
  const silent = row.silentMillis === null ? "" : `, silent for ${formatAge(row.silentMillis)}`
  const parent = row.parentId === null ? "" : `, child of #${row.parentId}`
  return `#${row.id} ${quote(row.name)} (${label(row.kind)}), ${row.state} for ${formatAge(row.ageMillis)}${silent}${worker}${parent}`
}

const workers = ({ workers: rows }: Dump): Lines =>
  rows.length === 0
    ? []
    : [
        "workers:",
        ...indent(
          rows.map((row) => {
            const frames = row.frames.map((frame) => `${frame.kind} ${frame.ordinal}`).join(", ")
            const age = row.ageMillis === null ? "" : ` for ${formatAge(row.ageMillis)}`
            const { beatAgeMillis: beat = null, lastExit = null, memoryBytes = null } = row
            const silent = beat === null ? "" : `, last beat ${formatAge(beat)} ago`
            const memory = memoryBytes === null ? "" : `, ${bytes(memoryBytes)}`
            const before = lastExit === null ? "" : `, the life before ${oneLine(lastExit)}`
            return `${quote(row.name)} [${frames}] generation ${row.generation}, ${label(row.state)}${age}${silent}${memory}${before}`
          })
        )
      ]

const incidents = ({ incidents: rows = [] }: Dump): Lines =>
  rows.length === 0
    ? []
    : [
        "incidents of workers, newest last:",
        ...indent(
          rows.map(
            (row) =>
              `${formatAge(row.ageMillis)} ago, ${oneLine(row.worker)} life ${row.life}: ${oneLine(row.what)}: ${oneLine(row.detail)}`
          )
        )
      ]

const rings = ({ rings: rows }: Dump): Lines =>
  rows.length === 0
    ? []
    : [
        "rings:",
        ...rows.flatMap((ring) => {
          const notes = [
            ring.closed ? "closed" : undefined,
            ring.tombstones > 0 ? `${ring.tombstones} tombstone(s)` : undefined,
            ring.unobserved > 0 ? `${ring.unobserved} unobserved` : undefined,
            ring.givenUp > 0 ? `${ring.givenUp} given up` : undefined
          ].filter((note) => note !== undefined)
          return [
            `  ${quote(ring.name)}: claimed ${ring.claimed} (capacity ${ring.capacity})${notes.map((note) => `, ${note}`).join("")}`,
            ...ring.seats.map(
              (seat) =>
                `    ${quote(seat.id)} ${seat.state}, generation ${seat.generation}: at ${seat.position}, lag ${seat.lag}${seat.lag >= ring.capacity ? " (FULL)" : ""}${seat.isParked ? ", parked" : ""}`
            )
          ]
        })
      ]

const notifiers = ({ notifiers: rows }: Dump): Lines =>
  rows.length === 0
    ? []
    : [
        "notifiers:",
        ...rows.map(
          (row) =>
            `  ${quote(row.name)}: ${row.maxTokens} tokens, ${row.closed ? "closed" : "open"}, ${row.polled ? "polled" : "nobody polls it"}`
        )
      ]

/** Those that have counted anything. */
const counters = ({ counters: rows }: Dump): Lines => {
  const moved = rows.filter(({ value }) => value !== 0)
  return moved.length === 0 ? [] : ["counters:", ...moved.map(({ label: name, value }) => `  ${label(name)} ${value}`)]
}

const memory = ({ memory: found }: Dump): Lines => {
  if (found === null) return []
  const parts = [
    found.rss === null ? undefined : `resident ${bytes(found.rss)}`,
    found.heapUsed === null
      ? undefined
      : `heap ${bytes(found.heapUsed)} of ${bytes(found.heapTotal ?? found.heapUsed)}`,
    found.external === null ? undefined : `external ${bytes(found.external)}`,
    found.arrayBuffers === null ? undefined : `array buffers ${bytes(found.arrayBuffers)}`
  ].filter((part) => part !== undefined)
  return [
    `memory: ${parts.join(", ")}`,
    ...found.regions.map((region) => `  shared region ${quote(region.name)} ${bytes(region.bytes)}`)
  ]
}

const bytes = (count: number): string =>
  count < 1024
    ? `${count} B`
    : count < 1_048_576
      ? `${(count / 1024).toFixed(1)} KiB`
      : `${(count / 1_048_576).toFixed(1)} MiB`

const census = ({ census: found }: Dump): Lines =>
  found === null
    ? []
    : [
        `fibers: ${found.live} live, ${found.untracked} of no task`,
        ...found.rows.flatMap((row) => [
          `  fiber #${row.id}, ${formatAge(row.ageMillis)}`,
          ...levels(row.inside, null).map((line) => `    ${line}`)
        ]),
        ...indent(more(found.untracked - found.rows.length))
      ]

const sections = ({ sections: rows }: Dump): Lines =>
  rows.flatMap(({ name, problem, state, value }) =>
    state === "told"
      ? [`${quote(name)}:`, ...indent(values(value))]
      : [`${quote(name)}: ${state === "late" ? "late" : "FAILED"}: ${oneLine(problem ?? "")}`]
  )

type Json = Dump["sections"][number]["value"]

const isLeaf = (value: Json): value is string | number | boolean | null => typeof value !== "object" || value === null

const leaf = (value: Json): string => (typeof value === "string" ? oneLine(value) : JSON.stringify(value))

/** A value as indented lines; rows of plain facts stay on one line each. */
const values = (value: Json): Lines => {
  if (isLeaf(value)) return [leaf(value)]
  const pairs = Object.entries(value as Readonly<Record<string, Json>>)
  if (pairs.length === 0) return ["(none)"]
  const named = !Array.isArray(value)
  return pairs.flatMap(([key, one]) => {
    const head = named ? `${label(key)}:` : "-"
    if (isLeaf(one)) return [`${head} ${leaf(one)}`]
    const inner = Object.entries(one as Readonly<Record<string, Json>>)
    if (inner.length > 0 && inner.every(([, fact]) => isLeaf(fact))) {
      const flat = inner.map(([name, fact]) => (Array.isArray(one) ? leaf(fact) : `${label(name)} ${leaf(fact)}`))
      return [`${head} ${flat.join(", ")}`]
    }
    if (inner.length === 0) return [`${head} (none)`]
    return [head, ...indent(values(one))]
  })
}

const flight = ({ flight: rows }: Dump): Lines =>
  rows.length === 0
    ? []
    : [
        "last events, newest last:",
        ...rows.map(
          (row) =>
            `  ${formatAge(row.ageMillis)} ago, ${row.worker}: ${label(row.event)}${row.detail === "" ? "" : ` ${oneLine(row.detail)}`}`
        )
      ]
