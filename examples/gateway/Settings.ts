/**
 * What can be set from outside, each with its type, default and range in one place.
 *
 * All of them are read and checked before anything is opened or bound; a value out of range is an `InvalidSetting` that
 * names the variable, what was found and what is allowed.
 */
import { Setting } from "@selvedge/core"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "node:path"

const declared = {
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
  restarts: Setting.integer("GATEWAY_RESTARTS", "restarts", { default: 3, min: 0, max: 1e6 }),
  bufferedEvents: Setting.integer("GATEWAY_BUFFERED_EVENTS", "bufferedEvents", { default: 16_384, min: 1, max: 1e6 }),
  maxKeys: Setting.integer("GATEWAY_MAX_KEYS", "maxKeys", { default: 100_000, min: 1, max: 1e7 }),
  maxLineBytes: Setting.integer("GATEWAY_MAX_LINE_BYTES", "maxLineBytes", { default: 16_384, min: 64, max: 1_048_576 }),
  maxBodyBytes: Setting.integer("GATEWAY_MAX_BODY_BYTES", "maxBodyBytes", {
    default: 67_108_864,
    min: 1_024,
    max: 4_294_967_296
  })
} as const

interface Shape {
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
  /** How many restarts of workers within 5 seconds are not too many. */
  readonly restarts: number
  /** Events between a request and a snapshot, the next power of two of them; a full ring slows the senders down. */
  readonly bufferedEvents: number
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
    return Settings.of({
      host: yield* declared.host.resolve(undefined),
      port: yield* declared.port.resolve(undefined),
      database,
      fileOf: (ordinal) => Path.join(dir, `${name}.${ordinal}${ext}`),
      workers: yield* declared.workers.resolve(undefined),
      parsers: yield* declared.parsers.resolve(undefined),
      restarts: yield* declared.restarts.resolve(undefined),
      whenUnusable: yield* declared.whenUnusable.resolve(undefined),
      snapshotEvery: yield* declared.snapshotEvery.resolve(undefined),
      streamEvery: yield* declared.streamEvery.resolve(undefined),
      bufferedEvents: yield* declared.bufferedEvents.resolve(undefined),
      maxKeys: yield* declared.maxKeys.resolve(undefined),
      maxLineBytes: yield* declared.maxLineBytes.resolve(undefined),
      maxBodyBytes: yield* declared.maxBodyBytes.resolve(undefined)
    })
  })

  static readonly layer = Layer.effect(Settings, Settings.make)
}
