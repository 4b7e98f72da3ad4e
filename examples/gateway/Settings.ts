/**
 * What can be set from outside, each with its type, default and range in one place.
 *
 * All of them are read and checked before anything is opened or bound; a value out of range is an `InvalidSetting` that
 * names the variable, what was found and what is allowed.
 */
import { Setting } from "@selvedge/core"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Path from "node:path"

export const declared = {
  host: Setting.word("GATEWAY_HOST", "host", ["127.0.0.1", "0.0.0.0", "::1", "::"], "127.0.0.1"),
  port: Setting.integer("GATEWAY_PORT", "port", { default: 8080, min: 0, max: 65_535 }),
  database: Setting.path("GATEWAY_DB", "database"),
  whenUnusable: Setting.word("GATEWAY_WHEN_UNUSABLE", "whenUnusable", ["refuse", "begin-anew"], "refuse"),
  snapshotEvery: Setting.duration("GATEWAY_SNAPSHOT_EVERY", "snapshotEvery", {
    default: "5 seconds",
    min: "50 millis",
    max: "1 hour"
  }),
  streamEvery: Setting.duration("GATEWAY_STREAM_EVERY", "streamEvery", {
    default: "250 millis",
    min: "10 millis",
    max: "1 minute"
  }),
  workers: Setting.integer("GATEWAY_WORKERS", "workers", { default: 2, min: 1, max: 64 }),
  parsers: Setting.integer("GATEWAY_PARSERS", "parsers", { default: 2, min: 1, max: 64 }),
  processes: Setting.integer("GATEWAY_PROCESSES", "processes", { default: 2, min: 1, max: 64 }),
  threads: Setting.integer("GATEWAY_THREADS", "threads", { default: 2, min: 1, max: 64 }),
  memory: Setting.path("GATEWAY_MEMORY", "memory"),
  healthTimeout: Setting.duration("GATEWAY_HEALTH_TIMEOUT", "healthTimeout", {
    default: "5 seconds",
    min: "100 millis",
    max: "1 hour"
  }),
  recycleEvery: Setting.duration("GATEWAY_RECYCLE_EVERY", "recycleEvery", {
    default: "1 day",
    min: "1 second",
    max: "365 days"
  }),
  maxWorkerMemory: Setting.integer("GATEWAY_MAX_WORKER_MEMORY", "maxWorkerMemory", {
    default: 2 ** 30,
    min: 2 ** 25,
    max: 2 ** 36
  }),
  restarts: Setting.integer("GATEWAY_RESTARTS", "restarts", { default: 3, min: 0, max: 1e6 }),
  roomWithin: Setting.duration("GATEWAY_ROOM_WITHIN", "roomWithin", {
    default: "10 seconds",
    min: "10 millis",
    max: "1 hour"
  }),
  bufferedEvents: Setting.integer("GATEWAY_BUFFERED_EVENTS", "bufferedEvents", { default: 16_384, min: 1, max: 1e6 }),
  maxKeys: Setting.integer("GATEWAY_MAX_KEYS", "maxKeys", { default: 100_000, min: 1, max: 1e7 }),
  maxLineBytes: Setting.integer("GATEWAY_MAX_LINE_BYTES", "maxLineBytes", { default: 16_384, min: 64, max: 1_048_576 }),
  maxBodyBytes: Setting.integer("GATEWAY_MAX_BODY_BYTES", "maxBodyBytes", {
    default: 67_108_864,
    min: 1_024,
    max: 4_294_967_296
  })
} as const

/** A secret: it is never shown, not even when it is refused. */
const operatorToken = Effect.gen(function* () {
  const variable = "GATEWAY_OPERATOR_TOKEN"
  const found = yield* Config.option(Config.Redacted(variable))
  if (Option.isNone(found) || /^[\x21-\x7e]{16,256}$/.test(Redacted.value(found.value))) return found
  const value = `${Redacted.value(found.value).length} characters`
  const allowed = "16 to 256 printable characters without blanks"
  return yield* new Setting.InvalidSetting({ option: "operatorToken", variable, value, allowed })
})

/** Those that count take part in the memory that all processes map, which has 64 places: twice when they are replaced, and the gateway. */
const MOST_PROCESSES = 24

export interface Shape {
  readonly host: string
  /** 0: any free port; the log says which. */
  readonly port: number
  readonly database: string
  /** What to do about a database that cannot be used. */
  readonly whenUnusable: "refuse" | "begin-anew"
  readonly snapshotEvery: Duration.Duration
  readonly streamEvery: Duration.Duration
  /** The file of one worker: `gateway.sqlite` becomes `gateway.0.sqlite`. */
  readonly fileOf: (ordinal: number) => string
  readonly workers: number
  /** How many workers parse lines. */
  readonly parsers: number
  /** Processes of threads that parse; those that count are processes too then. Not set: all of them are threads. */
  readonly processes: Option.Option<number>
  /** In each process that parses. */
  readonly threads: number
  /** The directory of the memory that the processes share. */
  readonly memory: string
  /** A worker whose event loop stands still for so long is killed, and started again. */
  readonly healthTimeout: Duration.Duration
  /** A worker is replaced when it has served for so long; not set: never. */
  readonly recycleEvery: Option.Option<Duration.Duration>
  /** A worker is replaced when it uses more than so many bytes; not set: whatever it uses. */
  readonly maxWorkerMemory: Option.Option<number>
  /** Who knows it may operate the workers; not set: nobody. */
  readonly operatorToken: Option.Option<Redacted.Redacted>
  /** How many restarts of workers within 5 seconds are not too many. */
  readonly restarts: number
  /** Events between a request and a snapshot, the next power of two of them; a full ring slows the senders down. */
  readonly bufferedEvents: number
  /** A sender waits for room for so long, and is refused then. */
  readonly roomWithin: Duration.Duration
  readonly maxKeys: number
  readonly maxLineBytes: number
  readonly maxBodyBytes: number
}

/** What the workers need of it, as their environment: they read it with the same declarations. */
export const environmentOf = (settings: Shape): Readonly<Record<string, string>> => ({
  GATEWAY_DB: settings.database,
  GATEWAY_WORKERS: String(settings.workers),
  GATEWAY_MAX_KEYS: String(settings.maxKeys),
  GATEWAY_SNAPSHOT_EVERY: String(Duration.toMillis(settings.snapshotEvery))
})

export class Settings extends Context.Service<Settings, Shape>()("gateway/Settings") {
  static readonly make = Effect.gen(function* () {
    const database = Path.resolve((yield* declared.database.resolve(undefined)) ?? "gateway.sqlite")
    const { dir, ext, name } = Path.parse(database)
    const workers = yield* declared.workers.resolve(undefined)
    const processes = yield* declared.processes.chosen(undefined)
    if (Option.isSome(processes) && workers > MOST_PROCESSES) {
      const allowed = `at most ${MOST_PROCESSES} with GATEWAY_PROCESSES`
      const [option, variable] = ["workers", "GATEWAY_WORKERS"]
      return yield* new Setting.InvalidSetting({ option, variable, value: String(workers), allowed })
    }
    return Settings.of({
      host: yield* declared.host.resolve(undefined),
      port: yield* declared.port.resolve(undefined),
      database,
      fileOf: (ordinal) => Path.join(dir, `${name}.${ordinal}${ext}`),
      workers,
      parsers: yield* declared.parsers.resolve(undefined),
      processes,
      threads: yield* declared.threads.resolve(undefined),
      memory: Path.resolve(
        (yield* declared.memory.resolve(undefined)) ?? `/dev/shm/selvedge-gateway-${process.getuid?.() ?? 0}`
      ),
      healthTimeout: yield* declared.healthTimeout.resolve(undefined),
      recycleEvery: yield* declared.recycleEvery.chosen(undefined),
      maxWorkerMemory: yield* declared.maxWorkerMemory.chosen(undefined),
      operatorToken: yield* operatorToken,
      restarts: yield* declared.restarts.resolve(undefined),
      whenUnusable: yield* declared.whenUnusable.resolve(undefined),
      snapshotEvery: yield* declared.snapshotEvery.resolve(undefined),
      streamEvery: yield* declared.streamEvery.resolve(undefined),
      roomWithin: yield* declared.roomWithin.resolve(undefined),
      bufferedEvents: yield* declared.bufferedEvents.resolve(undefined),
      maxKeys: yield* declared.maxKeys.resolve(undefined),
      maxLineBytes: yield* declared.maxLineBytes.resolve(undefined),
      maxBodyBytes: yield* declared.maxBodyBytes.resolve(undefined)
    })
  })

  static readonly layer = Layer.effect(Settings, Settings.make)
}
