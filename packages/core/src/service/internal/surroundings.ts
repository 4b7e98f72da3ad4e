/**
 * The services around a layer and its hooks: what `Main` provides, bound to one life.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Setting from "../../config/Setting.ts"
import * as DumpFacts from "../../inspection/DumpFacts.ts"
import type { IncidentRow, WorkerRow } from "../../inspection/DumpSchema.ts"
import { DumpSources } from "../../inspection/DumpSources.ts"
import { ShutdownToken } from "../../shutdown/ShutdownToken.ts"
import type * as TokenTree from "../../shutdown/TokenTree.ts"
import * as TaskRegistry from "../../tasks/TaskRegistry.ts"
import * as WorkerContext from "../../workers/WorkerContext.ts"
import { describe } from "../../workers/WorkerExit.ts"
import { type Member, Workforce } from "../../workers/Workforce.ts"
import { Lifecycle } from "../Lifecycle.ts"
import type * as LifecycleModule from "../Lifecycle.ts"
import type { Hook, HookBody, Life } from "./life.ts"

/** The workers of a container, as a dump shows them. */
const workerRows = (member: Member): Effect.Effect<ReadonlyArray<typeof WorkerRow.Type>> =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    member.rowsUnsafe().map((row) => ({
      name: row.name,
      state: row.state,
      frames: row.frames,
      generation: row.generation,
      ageMillis: row.startedAt === undefined ? null : Math.max(0, now - row.startedAt),
      beatAgeMillis: row.beatAgeMillis ?? null,
      memoryBytes: row.memoryBytes ?? null,
      lastExit: row.lastExit === undefined ? null : describe(row.lastExit)
    }))
  )

/** What it had to do about them. */
const incidentRows = (member: Member): Effect.Effect<ReadonlyArray<IncidentRow>> =>
  Effect.map(Clock.currentTimeMillis, (now) =>
    member.incidentsUnsafe().latest.map(({ at, ...row }) => ({
      ...row,
      container: member.name,
      ageMillis: Math.max(0, now - at)
    }))
  )

/** A worker's own context, where this service is a worker's; else that of a main program. */
const whoAmI = (life: Life): WorkerContext.Shape =>
  Option.getOrElse(Context.getOption(life.context, WorkerContext.WorkerContext), () =>
    WorkerContext.mainContext(life.name, life.clock.currentTimeMillisUnsafe())
  )

/** A registration cannot fail: one that cannot be is a mistake in the program, and ends what makes it. */
const checkHook = (name: unknown, body: unknown): Effect.Effect<void> =>
  Effect.orDie(Effect.andThen(checkHookName(name), checkHookBody(body)))

const checkHookName = Setting.option(
  "the name of a hook",
  "a string of 1 to 256 characters",
  (value) => typeof value === "string" && value.length >= 1 && value.length <= 256
)
const checkHookBody = Setting.option("a hook", "an Effect", Effect.isEffect)

/** The services, and how a hook is run with them. */
export const surroundings = (life: Life) => {
  const register =
    (hooks: Array<Hook>, isTooLate: () => boolean): LifecycleModule.Shape["onFlush"] =>
    (name, body) =>
      Effect.contextWith((captured: Context.Context<any>) =>
        Effect.map(checkHook(name, body), () => {
          const run: HookBody = (token) =>
            Effect.provideContext(Effect.scoped(Effect.provideService(body, ShutdownToken, token)), captured)
          hooks.push({ name, run })
          if (isTooLate()) life.runLate({ name, run })
        })
      )
  const lifecycle: LifecycleModule.Shape = {
    stage: Effect.sync(() => life.stage),
    isReady: Effect.sync(() => life.isReady),
    isReadyUnsafe: () => life.isReady,
    awaitReady: life.awaitReady,
    onStopAccepting: register(life.stopHooks, () => life.stoppedAccepting),
    onFlush: register(life.flushHooks, () => life.flushing)
  }
  const context = Context.make(Lifecycle, lifecycle).pipe(
    Context.add(TaskRegistry.TaskRegistry, life.tasks),
    Context.add(DumpSources, Context.get(life.inspected, DumpSources)),
    Context.add(DumpFacts.Service, Context.get(life.inspected, DumpFacts.Service)),
    Context.add(ShutdownToken, life.root),
    Context.add(WorkerContext.WorkerContext, whoAmI(life)),
    Context.add(Workforce, {
      enrolUnsafe: (member) => {
        life.workforce.add(member)
        life.changed()
        const sources = Context.get(life.inspected, DumpSources)
        const { name } = member
        const forgetRows = sources.addUnsafe({ subject: "workers", name, read: workerRows(member) })
        const forgetIncidents = sources.addUnsafe({ subject: "incidents", name, read: incidentRows(member) })
        return () => {
          life.workforce.delete(member)
          forgetRows()
          forgetIncidents()
          life.changed()
        }
      },
      changedUnsafe: () => life.changed()
    })
  )
  return {
    context,
    /** A hook in a scope of its own, with the layer's services and a token. `ended` is told before the scope closes. */
    provide: (
      effect: Effect.Effect<unknown, unknown, any>,
      services: Context.Context<never>,
      token: TokenTree.Token,
      ended: (exit: Exit.Exit<unknown, unknown>) => void = () => {}
    ): Effect.Effect<unknown, unknown> =>
      Effect.provideContext(
        Effect.scoped(Effect.onExit(effect, (exit) => Effect.sync(() => ended(exit)))),
        Context.add(Context.merge(services, context), ShutdownToken, token)
      ) as Effect.Effect<unknown, unknown>
  }
}
