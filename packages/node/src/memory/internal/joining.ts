/**
 * Joining a space: the door of this thread, an owner's file that is waited for, a row, a watcher that runs, and a look for deaths at every
 * sign of one.
 *
 * @internal
 */
import * as Setting from "@selvedge/core/config/Setting"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as path from "node:path"
import { InvalidSpace, MappingUnavailable, NotThere } from "../MappingError.ts"
import * as Control from "./control.ts"
import * as Files from "./files.ts"
import * as Found from "./found.ts"
import * as Layout from "./layout.ts"
import * as Native from "./native.ts"
import * as Regions from "./regionTable.ts"
import { attempt, type SpaceError, underMutex } from "./attempts.ts"
import { release, SpaceCore } from "./space.ts"
import * as Watcher from "./watcher.ts"

const checkTimeout = Setting.durationOption("timeout", { min: 0, max: "Infinity" })

const invalid = ({ allowed, option, value }: Setting.InvalidSetting): InvalidSpace =>
  new InvalidSpace({ field: option, wanted: allowed, found: value })

/** The time for attaching, in milliseconds. */
export const millisOf = (timeout: Duration.Input | undefined): Effect.Effect<number, InvalidSpace> =>
  Effect.mapError(Effect.map(checkTimeout(timeout ?? "5 seconds"), Duration.toMillis), invalid)

/** Refuses options that nobody knows. */
export const refuseUnknown = (
  options: object | undefined,
  known: Readonly<Record<string, true>>
): Effect.Effect<void, InvalidSpace> => Effect.mapError(Setting.refuseUnknown(options ?? {}, known), invalid)

const ATTACH_MILLIS = 20

export const attaching = (
  door: Native.Door,
  file: string,
  timeoutMillis: number
): Effect.Effect<Control.Control, SpaceError> =>
  Clock.clockWith((clock) => {
    const start = clock.monotonicTimeNanosUnsafe()
    const go: Effect.Effect<Control.Control, SpaceError> = Effect.flatMap(
      attempt(() => Control.attach(door, file)),
      (found) => {
        if (typeof found !== "string") return Effect.succeed(found)
        const waitedMillis = Math.round(Number(clock.monotonicTimeNanosUnsafe() - start) / 1e6)
        return waitedMillis >= timeoutMillis
          ? Effect.fail(new NotThere({ path: file, wanted: `a space with a living owner (${found})`, waitedMillis }))
          : Effect.flatMap(Effect.interruptible(Effect.sleep(ATTACH_MILLIS)), () => go)
      }
    )
    return go
  })

/** Attaches and takes a row; again, if the owner has removed the space between the two. */
export const joined = (
  door: Native.Door,
  file: string,
  timeoutMillis: number,
  look: () => void
): Effect.Effect<SpaceCore, SpaceError | MappingUnavailable> =>
  Effect.flatMap(attaching(door, file, timeoutMillis), (control) =>
    Effect.catchTag(taken(control, look), "NotThere", () => joined(door, file, timeoutMillis, look))
  )

/** Owns the space, makes it or adopts it, and takes a row. */
export const owned = (
  door: Native.Door,
  file: string,
  options: { readonly leftovers?: "adopt" | "replace" | undefined; readonly maxParticipants?: number | undefined },
  look: () => void
): Effect.Effect<SpaceCore, SpaceError | MappingUnavailable> => {
  const owning = attempt(() => {
    const { leftovers = "adopt", maxParticipants } = options
    if (maxParticipants !== undefined && !Found.isParticipants(maxParticipants)) {
      const wanted = `a whole number from 1 to ${Layout.MOST_PARTICIPANTS}`
      throw new InvalidSpace({ field: "maxParticipants", wanted, found: String(maxParticipants) })
    }
    if (leftovers !== "adopt" && leftovers !== "replace") {
      throw new InvalidSpace({ field: "leftovers", wanted: `"adopt" or "replace"`, found: String(leftovers) })
    }
    return Control.own(door, file, maxParticipants, leftovers)
  })
  return Effect.flatMap(owning, (control) => taken(control, look))
}

/** The door of this thread, or why there is none. */
export const door: Effect.Effect<Native.Door, MappingUnavailable> = Effect.flatMap(
  Effect.promise(() => Native.open()),
  (opened) => ("reason" in opened ? Effect.fail(new MappingUnavailable(opened)) : Effect.succeed(opened))
)

/** Takes a row and starts the watcher, or gives the file back. */
export const taken = (
  control: Control.Control,
  look: () => void
): Effect.Effect<SpaceCore, SpaceError | MappingUnavailable> =>
  Effect.onError(
    Effect.flatMap(
      underMutex(control, () => {
        // An owner removes its space under the mutex.
        if (!Files.isStill(control.path, control.fd)) {
          throw new NotThere({ path: control.path, wanted: "a space that was not removed meanwhile", waitedMillis: 0 })
        }
        const place = Control.join(control)
        Regions.removeForsaken(control)
        return place
      }),
      ({ life, row }) => watched(control, row, life, look)
    ),
    () => giveUp(control)
  )

/** F5. An owner that cannot take part after all leaves no space that holds nothing. */
const giveUp = (control: Control.Control): Effect.Effect<void> =>
  Effect.ignore(underMutex(control, () => control.isOwner && Regions.removeIfEmpty(control))).pipe(
    Effect.ensuring(Effect.sync(() => release(control)))
  )

/** Nobody takes part whose sleepers are not woken yet. */
const watched = (
  control: Control.Control,
  row: number,
  life: number,
  look: () => void
): Effect.Effect<SpaceCore, SpaceError | MappingUnavailable> =>
  Effect.tryPromise({
    try: async () => {
      const watcher = Watcher.start(control, row, look, (error) => {
        process.emitWarning(
          `selvedge: the watcher of ${control.path} has ended, another one takes its place: ${String(error)}`
        )
      })
      await watcher.awake
      return new SpaceCore(control, row, life, watcher, look)
    },
    catch: (error) => new MappingUnavailable({ reason: "refused", wanted: "a watcher", found: String(error) })
  })

/** How a core comes about, once the door is open and the name is a possible one. */
export type Join = (
  door: Native.Door,
  file: string,
  look: () => void
) => Effect.Effect<SpaceCore, SpaceError | MappingUnavailable>

/** Takes part until the scope closes. `look` asks for a look for deaths; any number of asks before it begins are one. */
export const takingPart = Effect.fnUntraced(function* (
  options: { readonly directory: string; readonly name: string },
  known: Readonly<Record<string, true>>,
  join: Join
): Effect.fn.Return<
  { readonly core: SpaceCore; readonly look: () => void },
  SpaceError | MappingUnavailable,
  Scope.Scope
> {
  const native = yield* door
  const { directory, name } = options
  yield* refuseUnknown(options, known)
  yield* attempt(() => Files.checkSpaceName(name))
  yield* attempt(() => Files.prepareDirectory(directory))
  const signals = yield* Queue.sliding<void>(1)
  const look = (): void => {
    Queue.offerUnsafe(signals, undefined)
  }
  const core = yield* Effect.acquireRelease(join(native, path.join(directory, name), look), (space) => space.close)
  const scope = yield* Effect.scope
  // What keeps one look from its end, such as a stopped process that has the mutex, may be over at the next sign.
  const looking = Effect.catchCause(core.look(scope), (cause) =>
    Effect.logError(`the dead of ${core.control.path} could not be noted now`, cause)
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Queue.take(signals), looking)))
  return { core, look }
})
