/**
 * A dump as plain data: what a service was doing at one moment, in a form that survives the service.
 *
 * The JSON of a dump is an object with `schema: "selvedge/dump"` and `version`. A reader that knows version 1 may read
 * every document of version 1: fields are only added, and a field that could not be filled is null. What changes the
 * meaning of a field, or takes one away, is a new version. `docs/dump.md` shows one and describes each field.
 *
 * Ages are milliseconds before the moment of the dump, other times milliseconds since 1970.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * @category models
 * @since 0.1.0
 */
export const VERSION = 1

/**
 * Who asked for the dump: an operator, a program, the watchdog, somebody at the watchdog's socket, the end of the process.
 *
 * @category models
 * @since 0.1.0
 */
export const Occasion = Schema.Literals(["signal", "api", "watchdog", "socket", "exit"])

/**
 * @category models
 * @since 0.1.0
 */
export type Occasion = typeof Occasion.Type

/**
 * The process around the program, where there is one.
 *
 * @category models
 * @since 0.1.0
 */
export const ProcessFacts = Schema.Struct({
  pid: Schema.Int,
  uptimeMillis: Schema.Finite,
  runtime: Schema.String
})

/**
 * The service: where it stands in its life, and how much of its budget is left once it stops.
 *
 * @category models
 * @since 0.1.0
 */
export const ServiceFacts = Schema.Struct({
  name: Schema.String,
  stage: Schema.String,
  phase: Schema.NullOr(Schema.String),
  reason: Schema.NullOr(Schema.String),
  budgetLeftMillis: Schema.NullOr(Schema.Finite)
})

/**
 * @category models
 * @since 0.1.0
 */
export type ServiceFacts = typeof ServiceFacts.Type

/**
 * Bytes. Fields are null where the platform does not tell.
 *
 * @category models
 * @since 0.1.0
 */
export const MemoryFacts = Schema.Struct({
  rss: Schema.NullOr(Schema.Finite),
  heapUsed: Schema.NullOr(Schema.Finite),
  heapTotal: Schema.NullOr(Schema.Finite),
  external: Schema.NullOr(Schema.Finite),
  arrayBuffers: Schema.NullOr(Schema.Finite),
  /** Shared regions that were named with `DumpSources.addRegion`. */
  regions: Schema.Array(Schema.Struct({ name: Schema.String, bytes: Schema.Finite }))
})

/**
 * Strands of the registry, over all threads; without a registry the same of the tasks.
 *
 * @category models
 * @since 0.1.0
 */
export const Totals = Schema.Struct({
  of: Schema.Literals(["strands", "tasks"]),
  active: Schema.Finite,
  spawned: Schema.Finite,
  completed: Schema.Finite,
  peak: Schema.Finite,
  /** Spawned, not completed and not active: ended without saying so. */
  lost: Schema.Finite,
  /** Ran without a slot, because the table was full. */
  overflow: Schema.Finite
})

/**
 * One level of a task's own stack: the span or the `Effect.fn` it is inside, and where in the source that was entered.
 *
 * @category models
 * @since 0.1.0
 */
export const Level = Schema.Struct({ name: Schema.String, at: Schema.NullOr(Schema.String) })

/**
 * A live task.
 *
 * @category models
 * @since 0.1.0
 */
export const TaskRow = Schema.Struct({
  id: Schema.Int,
  name: Schema.String,
  kind: Schema.String,
  parentId: Schema.NullOr(Schema.Int),
  state: Schema.Literals(["running", "finishing", "interrupting", "detached", "done"]),
  ageMillis: Schema.Finite,
  stuck: Schema.Boolean,
  restarts: Schema.Int,
  /** Its fiber is the one that holds the thread. */
  onCpu: Schema.Boolean,
  /** What it said it waits for (`Dump.waitingFor`), or what its state says; null if nothing is known. */
  waitingFor: Schema.NullOr(Schema.String),
  /** Where its fiber stands, innermost first. */
  inside: Schema.Array(Level),
  /** How long it has been inside the innermost span. */
  insideMillis: Schema.NullOr(Schema.Finite)
})

/**
 * @category models
 * @since 0.1.0
 */
export type TaskRow = typeof TaskRow.Type

/**
 * A strand: a running unit of any thread that registered in shared memory.
 *
 * @category models
 * @since 0.1.0
 */
export const StrandRow = Schema.Struct({
  id: Schema.Finite,
  name: Schema.String,
  kind: Schema.String,
  state: Schema.String,
  /** `main`, or the ordinal of its worker, with the generation from the second life on. */
  worker: Schema.String,
  ordinal: Schema.Int,
  generation: Schema.Int,
  parentId: Schema.NullOr(Schema.Finite),
  ageMillis: Schema.Finite,
  /** Since its last heartbeat; null if it never sent one. */
  silentMillis: Schema.NullOr(Schema.Finite)
})

/**
 * @category models
 * @since 0.1.0
 */
export type StrandRow = typeof StrandRow.Type

/**
 * A worker, as its container tells.
 *
 * @category models
 * @since 0.1.0
 */
export const WorkerRow = Schema.Struct({
  name: Schema.String,
  state: Schema.String,
  /** Outermost first. */
  frames: Schema.Array(Schema.Struct({ kind: Schema.String, ordinal: Schema.Int, name: Schema.String })),
  generation: Schema.Int,
  ageMillis: Schema.NullOr(Schema.Finite),
  /** Since its loop last gave a sign of life; null where it is not asked for any. Added later, like the next. */
  beatAgeMillis: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  memoryBytes: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  /** How its last life that ended did so, in one line. */
  lastExit: Schema.optionalKey(Schema.NullOr(Schema.String))
})

/**
 * @category models
 * @since 0.1.0
 */
export type WorkerRow = typeof WorkerRow.Type

/**
 * What a container had to do about one of its workers.
 *
 * @category models
 * @since 0.1.0
 */
export const IncidentRow = Schema.Struct({
  container: Schema.String,
  ageMillis: Schema.Finite,
  worker: Schema.String,
  life: Schema.Int,
  what: Schema.String,
  detail: Schema.String
})

/**
 * @category models
 * @since 0.1.0
 */
export type IncidentRow = typeof IncidentRow.Type

/**
 * One consumer of a ring.
 *
 * @category models
 * @since 0.1.0
 */
export const SeatRow = Schema.Struct({
  id: Schema.String,
  state: Schema.String,
  generation: Schema.Finite,
  position: Schema.Finite,
  lag: Schema.Finite,
  isParked: Schema.Boolean
})

/**
 * A ring: what was claimed, and how far each consumer is behind.
 *
 * @category models
 * @since 0.1.0
 */
export const RingRow = Schema.Struct({
  name: Schema.String,
  closed: Schema.Boolean,
  capacity: Schema.Finite,
  claimed: Schema.Finite,
  seats: Schema.Array(SeatRow),
  tombstones: Schema.Finite,
  unobserved: Schema.Finite,
  givenUp: Schema.Finite
})

/**
 * A notifier.
 *
 * @category models
 * @since 0.1.0
 */
export const NotifierRow = Schema.Struct({
  name: Schema.String,
  maxTokens: Schema.Int,
  closed: Schema.Boolean,
  /** A poller is attached. */
  polled: Schema.Boolean
})

/**
 * Something registered with `DumpSources.add`: what it said, or why it said nothing.
 *
 * @category models
 * @since 0.1.0
 */
export const Section = Schema.Struct({
  name: Schema.String,
  state: Schema.Literals(["told", "failed", "late"]),
  /** What it told; null if it failed or was late. */
  value: Schema.Json,
  /** Why it told nothing. */
  problem: Schema.NullOr(Schema.String)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Section = typeof Section.Type

/**
 * Fibers that belong to no task.
 *
 * @category models
 * @since 0.1.0
 */
export const Census = Schema.Struct({
  live: Schema.Int,
  untracked: Schema.Int,
  rows: Schema.Array(Schema.Struct({ id: Schema.Finite, ageMillis: Schema.Finite, inside: Schema.Array(Level) }))
})

/**
 * One event of the flight recorder.
 *
 * @category models
 * @since 0.1.0
 */
export const FlightRow = Schema.Struct({
  ageMillis: Schema.Finite,
  worker: Schema.String,
  event: Schema.String,
  detail: Schema.String
})

/**
 * What held the event loop when the watchdog looked.
 *
 * @category models
 * @since 0.1.0
 */
export const Blocked = Schema.Struct({
  loop: Schema.String,
  blockedMillis: Schema.Finite,
  task: Schema.NullOr(Schema.Struct({ id: Schema.Int, name: Schema.String, kind: Schema.String })),
  /** The JavaScript stack of the blocked thread, innermost first. Empty while native code runs. */
  stack: Schema.Array(Schema.String)
})

/**
 * The dump.
 *
 * @category models
 * @since 0.1.0
 */
export const Dump = Schema.Struct({
  schema: Schema.Literal("selvedge/dump"),
  version: Schema.Literal(VERSION),
  occasion: Occasion,
  /** Milliseconds since 1970. */
  takenAt: Schema.Finite,
  process: Schema.NullOr(ProcessFacts),
  service: Schema.NullOr(ServiceFacts),
  blocked: Schema.NullOr(Blocked),
  totals: Schema.NullOr(Totals),
  warnings: Schema.Array(Schema.String),
  /** Oldest first. */
  tasks: Schema.Struct({ live: Schema.Int, rows: Schema.Array(TaskRow), more: Schema.Int }),
  strands: Schema.Struct({ rows: Schema.Array(StrandRow), more: Schema.Int }),
  workers: Schema.Array(WorkerRow),
  /** The latest of each container, oldest first. Added later. */
  incidents: Schema.optionalKey(Schema.Array(IncidentRow)),
  rings: Schema.Array(RingRow),
  notifiers: Schema.Array(NotifierRow),
  counters: Schema.Array(Schema.Struct({ label: Schema.String, value: Schema.Finite })),
  memory: Schema.NullOr(MemoryFacts),
  census: Schema.NullOr(Census),
  sections: Schema.Array(Section),
  /** Newest last. */
  flight: Schema.Array(FlightRow)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Dump = typeof Dump.Type

/**
 * A dump as one line of JSON. Decoding fails on a document of another version.
 *
 * @category models
 * @since 0.1.0
 */
export const DumpJson = Schema.fromJsonString(Dump)
