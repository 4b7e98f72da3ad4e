/**
 * Carries the notices of a service to systemd, or to whoever else listens at `NOTIFY_SOCKET`.
 *
 * What is told, and when, is decided in core (`Notices`); this file hands over datagrams, and says when nobody takes them. The
 * table of what happens with which socket is in docs/systemd.md.
 *
 * **Invariants**
 *
 * 1. Without `NOTIFY_SOCKET` nothing is loaded, opened or started.
 * 2. Whatever the socket does, the service goes on: a message that cannot be handed over is answered with `false`, and told in
 *    one warning for each outage.
 * 3. Nothing that is started later inherits the variables.
 *
 * Source: sd_notify(3) and its `unset_environment`.
 *
 * @since 0.1.0
 */
import * as Notices from "@selvedge/core/service/Notices"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Address from "./internal/address.ts"
import * as Datagram from "./internal/datagram.ts"

/**
 * What the manager put into the environment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Variables {
  readonly socket: string | undefined
  readonly watchdogUsec: string | undefined
  readonly watchdogPid: string | undefined
}

/**
 * Takes the variables out of an environment, so that no child finds them there.
 *
 * @category operations
 * @since 0.1.0
 */
export const takeUnsafe = (env: NodeJS.ProcessEnv = process.env): Variables => {
  const take = (name: string): string | undefined => {
    const found = env[name]
    delete env[name]
    return found
  }
  return { socket: take("NOTIFY_SOCKET"), watchdogUsec: take("WATCHDOG_USEC"), watchdogPid: take("WATCHDOG_PID") }
}

/**
 * Who this process reports to; undefined if nobody listens. The descriptor lives as long as the scope.
 *
 * **Details**
 *
 * `Selvedge.run` does this by itself. Variables that cannot be used are told in one warning, and nobody is told anything.
 *
 * **Errors**: none.
 *
 * **Example** (A service whose process is not started by `Selvedge.run`)
 *
 * ```ts
 * import { Main, Notices } from "@selvedge/core"
 * import { SystemdNotify } from "@selvedge/node"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.scoped(
 *   Effect.gen(function* () {
 *     const recipient = yield* SystemdNotify.make()
 *     return yield* Main.run(Layer.empty, { run: Effect.void }).pipe(Effect.provideService(Notices.Notices, recipient))
 *   })
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (env?: NodeJS.ProcessEnv): Effect.Effect<Notices.Recipient | undefined, never, Scope.Scope> =>
  Effect.suspend(() => fromVariables(takeUnsafe(env)))

const fromVariables = Effect.fnUntraced(function* (found: Variables) {
  if (found.socket === undefined || found.socket === "") return undefined
  const address = Address.parse(found.socket)
  if (address._tag === "Malformed") {
    yield* Effect.logWarning(`NOTIFY_SOCKET: wanted ${address.wanted}, found ${address.found}: nobody is told anything`)
    return undefined
  }
  const datagrams = yield* Effect.acquireRelease(Effect.promise(Datagram.open), (opened) =>
    Effect.sync(() => ("close" in opened ? opened.close() : undefined))
  )
  if ("reason" in datagrams) {
    const { found: instead, wanted } = datagrams
    yield* Effect.logWarning(`NOTIFY_SOCKET: wanted ${wanted}, found ${instead}: nobody is told anything`)
    return undefined
  }
  const { problem, watchdog } = Notices.watchdogOf({
    usec: found.watchdogUsec,
    watchdogPid: found.watchdogPid,
    pid: process.pid
  })
  if (problem !== undefined) yield* Effect.logWarning(problem)
  const context = yield* Effect.context<never>()
  const say = (line: Effect.Effect<void>): void => void Effect.runForkWith(context)(Effect.ignoreCause(line))
  return { send: sender(address, datagrams, say), monotonicMicrosUnsafe, watchdog } satisfies Notices.Recipient
})

/** libuv reads CLOCK_MONOTONIC, as systemd does. */
const monotonicMicrosUnsafe = (): bigint => process.hrtime.bigint() / 1000n

const meanings: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  ECONNREFUSED: "nobody listens at it",
  EACCES: "this user may not write to it",
  EAGAIN: "it is full, and nobody reads"
}

const sender = (
  address: Address.Address,
  datagrams: Datagram.Datagrams,
  say: (line: Effect.Effect<void>) => void
): Notices.Recipient["send"] => {
  const encoder = new TextEncoder()
  let isOut = false
  return (lines) => {
    const code = datagrams.send(address.bytes, encoder.encode(lines.join("\n")))
    if (code === undefined) {
      if (isOut) say(Effect.logInfo(`the service manager at ${address.text} is told again`))
      isOut = false
      return true
    }
    if (!isOut) {
      const why = meanings[code] === undefined ? code : `${meanings[code]} (${code})`
      say(Effect.logWarning(`the service manager at ${address.text} cannot be told: ${why}; the service goes on`))
    }
    isOut = true
    return false
  }
}
