/**
 * What a watchdog makes of what it sees: pure functions over rows and times.
 *
 * Three verdicts, which mean different things and have limits of their own, by kind:
 *
 * | verdict       | is about             | means                                                        |
 * | ------------- | -------------------- | ------------------------------------------------------------ |
 * | `Old`         | any strand           | it has been there for longer than its kind should             |
 * | `NoHeartbeat` | any strand           | it has not said for too long that it is alive                 |
 * | `LoopBlocked` | an event loop's strand | the loop has not turned: one piece of code holds the thread |
 *
 * **What is no alarm**
 *
 * - A strand that is `parked` (asleep in a call that blocks its thread) or `busy` (in long work that was announced) is not
 *   missing its heartbeats. It can be old.
 * - A loop that is `parked` is not blocked. One that is `busy` is, only from `longestBusyMillis` on, or from what the code
 *   that holds it has announced, if it can be asked.
 * - Silence while nobody was looking: a process that was stopped, or a machine that slept, has no time in which it should
 *   have turned. The silence counts from when looking went on.
 *
 * **Invariants**
 *
 * 1. A limit that is reached exactly is a verdict; a limit of `Infinity` never is.
 * 2. One full dump for each new culprit. While the culprit stays the same there are only lines: one when it comes back after
 *    it was gone, one per `repeatMillis` while it stays, and one when a loop turns again.
 * 3. A task that was found to hold a loop holds it until the loop turns or another task is found: a look that finds no task, or
 *    gets no answer, within the same silence has come between the end of the block and the loop's next turn, or met what that
 *    task calls.
 *
 * Times are milliseconds of the monotonic clock that all threads share.
 *
 * @since 0.1.0
 */
import type { Row } from "../diagnostics/Strand.ts"
import { label, quote } from "../internal/quote.ts"
import { formatAge } from "../tasks/Task.ts"

/**
 * Milliseconds by kind; `*` stands for kinds that are not named. What has neither has no limit.
 *
 * @category models
 * @since 0.1.0
 */
export type Limits = Readonly<Record<string, number>>

/**
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  readonly old: Limits
  readonly noHeartbeat: Limits
  /** By the kind of the task that holds the loop. */
  readonly blocked: Limits
  /** How long a loop whose strand is `busy` may be silent when nobody can be asked. */
  readonly longestBusyMillis: number
  /** How long a culprit that stays the same is not mentioned again. */
  readonly repeatMillis: number
  /** How often the watchdog looks. */
  readonly lookMillis: number
}

/**
 * @category models
 * @since 0.1.0
 */
export type Verdict =
  | {
      readonly _tag: "Old" | "NoHeartbeat"
      readonly strand: Row
      readonly forMillis: number
      readonly limitMillis: number
    }
  | {
      readonly _tag: "LoopBlocked"
      readonly loop: Row
      readonly culprit: Culprit | undefined
      readonly forMillis: number
      readonly limitMillis: number
    }

/**
 * Who holds a loop, as far as it could be found out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Culprit {
  /** Null: code that belongs to no task. */
  readonly task: { readonly id: number; readonly name: string; readonly kind: string } | null
  /** What the code announced (`Watchdog.expectLong`). */
  readonly allowedMillis: number | null
  /** Innermost first. */
  readonly stack: ReadonlyArray<string>
}

/**
 * The limit of a kind; `Infinity` if it has none.
 *
 * @category operations
 * @since 0.1.0
 */
export const limitOf = (limits: Limits, kind: string): number =>
  (Object.hasOwn(limits, kind) ? limits[kind] : Object.hasOwn(limits, "*") ? limits["*"] : undefined) ?? Infinity

/** From when on a silent loop is worth asking who holds it. */
const leastBlocked = (policy: Policy): number => Math.min(Infinity, ...Object.values(policy.blocked))

/**
 * When looking began and when it was last interrupted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Watch {
  readonly lookedAt: number
  /** Silence before this is nobody's. */
  readonly since: number
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const begin = (nowMillis: number): Watch => ({ lookedAt: nowMillis, since: nowMillis })

/**
 * Looks again. A watchdog that itself was not running for more than three of its own periods was stopped, with everything.
 *
 * @category operations
 * @since 0.1.0
 */
export const look = (watch: Watch, nowMillis: number, policy: Policy): Watch => ({
  lookedAt: nowMillis,
  since: nowMillis - watch.lookedAt > 3 * policy.lookMillis + 100 ? nowMillis : watch.since
})

/**
 * Strands that are old or silent, the worst first.
 *
 * @category operations
 * @since 0.1.0
 */
export const judgeStrands = (watch: Watch, strands: ReadonlyArray<Row>, policy: Policy): ReadonlyArray<Verdict> =>
  strands
    .flatMap((strand) => {
      const age = watch.lookedAt - strand.startMillis
      const old = limitOf(policy.old, strand.kind)
      const silence = watch.lookedAt - Math.max(strand.heartbeatMillis, watch.since)
      const silent = limitOf(policy.noHeartbeat, strand.kind)
      const found: Array<Verdict> = []
      if (age >= old) found.push({ _tag: "Old", strand, forMillis: age, limitMillis: old })
      if (strand.state === "running" && silence >= silent) {
        found.push({ _tag: "NoHeartbeat", strand, forMillis: silence, limitMillis: silent })
      }
      return found
    })
    .toSorted((a, b) => b.forMillis / b.limitMillis - a.forMillis / a.limitMillis)

/**
 * A loop that has been silent for long.
 *
 * @category models
 * @since 0.1.0
 */
export interface Suspect {
  readonly loop: Row
  readonly forMillis: number
}

/**
 * Loops that have been silent for so long that it is worth asking who holds them, with how long.
 *
 * @category operations
 * @since 0.1.0
 */
export const suspects = (watch: Watch, loops: ReadonlyArray<Row>, policy: Policy): ReadonlyArray<Suspect> => {
  const least = leastBlocked(policy)
  return loops
    .filter((loop) => loop.state !== "parked")
    .map((loop) => ({ loop, forMillis: watch.lookedAt - Math.max(loop.heartbeatMillis, watch.since) }))
    .filter(({ forMillis }) => forMillis >= least)
    .toSorted((a, b) => b.forMillis - a.forMillis)
}

/**
 * Who was found to hold a silent loop.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holder {
  readonly loop: Row
  readonly culprit: Culprit | undefined
}

/**
 * Who holds a silent loop, from what was just found and from what was found at the look before (invariant 3).
 *
 * @category operations
 * @since 0.1.0
 */
export const holderOf = (before: ReadonlyArray<Holder>, { loop }: Suspect, found: Culprit | undefined): Holder => {
  const isNamed = (culprit: Culprit | undefined): boolean => culprit !== undefined && culprit.task !== null
  const known = before.find((one) => loopKey(one.loop) === loopKey(loop))
  const isSame = known?.loop.heartbeatMillis === loop.heartbeatMillis
  return { loop, culprit: isSame && isNamed(known.culprit) && !isNamed(found) ? known.culprit : found }
}

/**
 * Whether a silent loop is blocked, now that its holder was asked, or could not be (`undefined`).
 *
 * @category operations
 * @since 0.1.0
 */
export const judgeLoop = (
  { forMillis, loop }: Suspect,
  culprit: Culprit | undefined,
  policy: Policy
): Verdict | undefined => {
  const limitMillis = allowed(loop, culprit, policy)
  return forMillis >= limitMillis ? { _tag: "LoopBlocked", loop, culprit, forMillis, limitMillis } : undefined
}

const allowed = (loop: Row, culprit: Culprit | undefined, policy: Policy): number => {
  if (culprit === undefined) return loop.state === "busy" ? policy.longestBusyMillis : limitOf(policy.blocked, "*")
  return culprit.allowedMillis ?? limitOf(policy.blocked, culprit.task?.kind ?? "*")
}

/**
 * Who a verdict is about: equal for the same culprit.
 *
 * @category operations
 * @since 0.1.0
 */
export const keyOf = (verdict: Verdict): string => {
  if (verdict._tag !== "LoopBlocked") {
    const { generation, id, ordinal, slot, slotGeneration } = verdict.strand
    return `${verdict._tag} ${ordinal}.${generation} ${id} ${slot}.${slotGeneration}`
  }
  const { culprit, loop } = verdict
  // The place tells apart what has no name: the innermost line moves while a loop runs, its caller does not.
  const who = culprit === undefined ? "?" : culprit.task === null ? (culprit.stack.at(-1) ?? "") : culprit.task.name
  return `LoopBlocked ${loopKey(loop)} ${who}`
}

const loopKey = ({ generation, name, ordinal }: Row): string => `${ordinal}.${generation} ${name}`

/**
 * A verdict in one line.
 *
 * @category operations
 * @since 0.1.0
 */
export const describe = (verdict: Verdict): string => {
  const times = `for ${formatAge(verdict.forMillis)} (limit ${formatAge(verdict.limitMillis)})`
  if (verdict._tag === "LoopBlocked") {
    return `event loop ${quote(verdict.loop.name)} blocked ${times} ${holder(verdict.culprit)}`
  }
  const { id, kind, name } = verdict.strand
  const title = `${quote(name)} (${label(kind)} #${id})`
  return verdict._tag === "Old"
    ? `strand ${title} is old: alive ${times}`
    : `strand ${title} gives no heartbeat ${times}`
}

const holder = (culprit: Culprit | undefined): string => {
  if (culprit === undefined) return "by code that cannot be asked (native code?)"
  if (culprit.task === null) return "by code that belongs to no task"
  const { id, kind, name } = culprit.task
  return `by task ${quote(name)} (${label(kind)} #${id})`
}

/**
 * What was told so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface Told {
  /** The culprits of the last full dump. */
  readonly known: ReadonlySet<string>
  /** Who was seen at the last look, and when each was last mentioned. */
  readonly present: ReadonlyMap<string, { readonly verdict: Verdict; readonly mentionedAt: number }>
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const toldNothing: Told = { known: new Set(), present: new Map() }

/**
 * What is to be told now: everything with a dump, some lines, or nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Telling {
  readonly told: Told
  readonly dump: boolean
  readonly lines: ReadonlyArray<string>
}

/**
 * Decides what to tell after a look, also after one that found nothing (invariant 2).
 *
 * @category operations
 * @since 0.1.0
 */
export const tell = (told: Told, verdicts: ReadonlyArray<Verdict>, nowMillis: number, policy: Policy): Telling => {
  const found = new Map(verdicts.map((verdict) => [keyOf(verdict), verdict] as const))
  const dump = Array.from(found.keys()).some((key) => !told.known.has(key))
  const lines: Array<string> = []
  const present = new Map<string, { readonly verdict: Verdict; readonly mentionedAt: number }>()
  for (const [key, verdict] of found) {
    const before = told.present.get(key)
    const isDue = before === undefined || nowMillis - before.mentionedAt >= policy.repeatMillis
    if (dump) lines.push(describe(verdict))
    else if (isDue) {
      lines.push(
        `${before === undefined ? "again" : "still"}: ${describe(verdict)}; its dump has been written, and is not repeated`
      )
    }
    present.set(key, { verdict, mentionedAt: dump || isDue ? nowMillis : before.mentionedAt })
  }
  return {
    told: { known: dump ? new Set(found.keys()) : told.known, present },
    dump,
    lines: [...recovered(told, verdicts), ...lines]
  }
}

/** Loops that were blocked at the last look, by anybody, and are not now. */
const recovered = (told: Told, verdicts: ReadonlyArray<Verdict>): ReadonlyArray<string> => {
  const loopOf = (verdict: Verdict) => (verdict._tag === "LoopBlocked" ? [loopKey(verdict.loop)] : [])
  const blocked = new Set(verdicts.flatMap(loopOf))
  return Array.from(told.present.values()).flatMap(({ verdict }) =>
    verdict._tag === "LoopBlocked" && !loopOf(verdict).some((loop) => blocked.has(loop))
      ? [`event loop ${quote(verdict.loop.name)} turns again, after more than ${formatAge(verdict.forMillis)}`]
      : []
  )
}
