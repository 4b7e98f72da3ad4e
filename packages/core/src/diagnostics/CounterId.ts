/**
 * What is counted, and under which number.
 *
 * An id says what a counter counts; a counter itself is told by id, label and ordinal. Ids are given out in ranges, so that parts which know
 * nothing of each other do not meet:
 *
 * | ids       | belong to                  | label                      |
 * | --------- | -------------------------- | -------------------------- |
 * | 1–99      | strands, counters, recorder, later | empty              |
 * | 100–199   | tasks                      | empty                      |
 * | 200–299   | shutdown                   | empty                      |
 * | 300–399   | workers                    | the container's name       |
 * | 400–499   | ring                       | the ring's name            |
 * | 500–599   | notifier                   | the notifier's name        |
 * | 600–999   | selvedge, later            |                            |
 * | from 1000 | users                      | theirs                     |
 *
 * The whole list stands in docs/diagnostics.md; a test compares the two.
 *
 * @since 0.1.0
 */
import { show } from "../internal/show.ts"
import { byteLength } from "./internal/text.ts"
import { LABEL_WORDS, NAME_WORDS } from "./internal/countersLayout.ts"
import { CounterIdTaken, InvalidCounter, LabelTooLong } from "./DiagnosticsError.ts"

/**
 * How a counter moves: a `counter` only grows, a `gauge` is set or goes both ways, a `max` keeps the greatest it was told.
 *
 * @category models
 * @since 0.1.0
 */
export type CounterKind = "counter" | "gauge" | "max"

/**
 * @category models
 * @since 0.1.0
 */
export interface CounterId {
  /** From 1 to 2^31 - 1; yours begin at 1000. */
  readonly id: number
  /** Lower case words joined by `_`, at most 40 bytes; exported as `selvedge_<name>`, a counter's with `_total`. */
  readonly name: string
  readonly kind: CounterKind
  /** One line for people. */
  readonly help: string
}

/**
 * The first id that is not selvedge's.
 *
 * @category models
 * @since 0.1.0
 */
export const FIRST_USER_ID = 1000

/** Bytes of a name and of a label. */
export const MAX_NAME_BYTES: number = NAME_WORDS * 4
export const MAX_LABEL_BYTES: number = LABEL_WORDS * 4

const counter = (id: number, name: string, help: string): CounterId => ({ id, name, kind: "counter", help })
const gauge = (id: number, name: string, help: string): CounterId => ({ id, name, kind: "gauge", help })
const max = (id: number, name: string, help: string): CounterId => ({ id, name, kind: "max", help })

/**
 * What selvedge counts.
 *
 * @category models
 * @since 0.1.0
 */
export const ids = {
  tasksSpawned: counter(100, "tasks_spawned", "tasks that were started"),
  tasksSucceeded: counter(101, "tasks_succeeded", "tasks that ended well"),
  tasksFailed: counter(102, "tasks_failed", "tasks that failed or died"),
  tasksInterrupted: counter(103, "tasks_interrupted", "tasks that were interrupted"),
  tasksDetached: counter(104, "tasks_detached", "tasks that outlived the patience of a parent or a join"),
  taskRestarts: counter(105, "task_restarts", "restarts by the restart policies of tasks"),
  tasksPeak: max(107, "tasks_peak", "the most tasks that were alive at once"),

  shutdownsRequested: counter(200, "shutdowns_requested", "requests to stop that were the first of their service"),
  shutdownsForced: counter(201, "shutdowns_forced", "shutdowns that did not wait until their end"),
  shutdownLeftBehind: counter(202, "shutdown_left_behind", "tasks, hooks and finalizers that a shutdown left behind"),
  shutdownMillis: gauge(203, "shutdown_millis", "how long the last shutdown took"),

  workersSpawned: counter(300, "workers_spawned", "workers that were started for the first time"),
  workersRestarted: counter(301, "workers_restarted", "workers that were started again"),
  workersFailed: counter(302, "workers_failed", "workers that ended by a failure"),
  workersRunning: gauge(303, "workers_running", "workers that run"),

  ringClaimed: counter(400, "ring_claimed", "records that were claimed by producers"),
  ringUnobserved: counter(401, "ring_unobserved", "records that passed while nobody was seated"),
  ringTombstones: counter(402, "ring_tombstones", "records that were claimed and never written"),
  ringGivenUp: counter(403, "ring_given_up", "records that consumers whose seats were given up have not seen"),
  ringFullWaits: counter(404, "ring_full_waits", "waits of producers for room"),
  ringLag: gauge(405, "ring_lag", "records between the slowest consumer and what is claimed"),
  ringGreatestLag: max(406, "ring_greatest_lag", "the greatest lag that was seen"),
  ringSeats: gauge(407, "ring_seats", "consumers that have a seat"),

  notifierPolled: counter(500, "notifier_polled", "tokens that were taken out of the queue"),
  notifierQueued: gauge(501, "notifier_queued", "tokens that wait in the queue"),
  notifierConflated: counter(502, "notifier_conflated", "notifications of tokens that were waiting already")
} as const satisfies Readonly<Record<string, CounterId>>

const own: ReadonlyMap<number, CounterId> = new Map(Object.values<CounterId>(ids).map((one) => [one.id, one]))

/**
 * The definition behind an id of selvedge's own.
 *
 * @category operations
 * @since 0.1.0
 */
export const known = (id: number): CounterId | undefined => own.get(id)

/**
 * What is wrong with a definition, if anything is.
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (definition: CounterId): CounterIdTaken | InvalidCounter | LabelTooLong | undefined => {
  if (typeof definition !== "object" || definition === null) {
    return new InvalidCounter({ field: "counter", found: show(definition), wanted: "an id, a name, a kind and a help" })
  }
  const { id, kind, name } = definition
  if (!Number.isInteger(id) || id < 1 || id > 0x7fffffff) {
    return new InvalidCounter({ field: "id", found: show(id), wanted: "a whole number from 1 to 2147483647" })
  }
  if (typeof name !== "string" || !/^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/.test(name)) {
    return new InvalidCounter({ field: "name", found: show(name), wanted: "lower case words joined by _" })
  }
  if (name.length > MAX_NAME_BYTES) {
    return new LabelTooLong({ field: "name", text: show(name), bytes: name.length, maxBytes: MAX_NAME_BYTES })
  }
  if (kind !== "counter" && kind !== "gauge" && kind !== "max") {
    return new InvalidCounter({ field: "kind", found: show(kind), wanted: '"counter", "gauge" or "max"' })
  }
  if (id >= FIRST_USER_ID) return undefined
  const owner = own.get(id)
  return owner !== undefined && owner.name === name && owner.kind === kind
    ? undefined
    : new CounterIdTaken({ id, name, takenBy: owner?.name ?? `selvedge, up to ${FIRST_USER_ID - 1}` })
}

/**
 * What is wrong with a label, if anything is.
 *
 * @category guards
 * @since 0.1.0
 */
export const checkLabel = (label: string): InvalidCounter | LabelTooLong | undefined => {
  if (typeof label !== "string") return new InvalidCounter({ field: "label", found: show(label), wanted: "a string" })
  const bytes = byteLength(label)
  return bytes > MAX_LABEL_BYTES
    ? new LabelTooLong({ field: "label", text: show(label), bytes, maxBytes: MAX_LABEL_BYTES })
    : undefined
}
