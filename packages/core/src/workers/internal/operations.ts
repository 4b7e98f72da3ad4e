/**
 * Operations of one container, one after the other.
 *
 * ```text
 *   asked ──▶ waiting ──first──▶ its turn ──▶ over
 *                └─ container stops, or nobody waits for it ──▶ over
 * ```
 *
 * **Invariants**
 *
 * 1. At most one has its turn. What somebody asked for comes before every recycling that waits.
 * 2. It runs in the container's own fiber: who gives up waiting marks it, and it decides what that means where it stands.
 * 3. None begins once the container stops, or the service around it was asked to.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { ContainerStopping, InvalidSpec } from "../ContainerError.ts"
import type { Fleet, Ticket } from "./fleet.ts"
import { whenClosed } from "./prepare.ts"

/** A set-up that runs, or has run. */
export interface Running {
  readonly fleet: Fleet
  hasEnded: boolean
}

/** The set-ups this fiber runs, or has come from. */
export const Inside: Context.Reference<ReadonlyArray<Running>> = Context.Reference<ReadonlyArray<Running>>(
  "@selvedge/core/workers/Inside",
  { defaultValue: () => [] }
)

/** Whether an operation that is not promoted has to give up. */
export const isOver = (fleet: Fleet, ticket: Ticket): boolean =>
  ticket.isCancelled || fleet.phase !== "Open" || fleet.setup.isAskedToStop()

/** Why it gives up. */
export const giveUp = (fleet: Fleet): Effect.Effect<never, ContainerStopping> =>
  Effect.suspend(() => {
    const service = fleet.setup.name
    const closed = whenClosed(fleet, service)
    if (closed !== undefined) return Effect.fail(closed)
    return fleet.setup.isAskedToStop()
      ? Effect.fail(new ContainerStopping({ service, state: "stopping" }))
      : Effect.interrupt
  })

const enqueue = (fleet: Fleet, ticket: Ticket): void => {
  const { tickets } = fleet
  const at = ticket.isRecycling ? -1 : tickets.findIndex((one, index) => index > 0 && one.isRecycling)
  if (at === -1) tickets.push(ticket)
  else tickets.splice(at, 0, ticket)
}

/** Runs an operation in its turn. */
export const operate = <A, E>(
  fleet: Fleet,
  name: string,
  body: (ticket: Ticket) => Effect.Effect<A, E>,
  isRecycling = false
): Effect.Effect<A, E | ContainerStopping | InvalidSpec> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Inside, (inside): Effect.Effect<A, E | ContainerStopping | InvalidSpec> => {
      if (inside.some((one) => one.fleet === fleet && !one.hasEnded)) {
        const wanted = "no operation of the container it sets up"
        return Effect.fail(new InvalidSpec({ service: fleet.setup.name, field: "set-up", wanted, found: name }))
      }
      const ticket: Ticket = { isRecycling, isCancelled: false }
      const run = fleet.run(inTurn(fleet, ticket, body))
      const cancel = Effect.sync(() => {
        ticket.isCancelled = true
        fleet.changed()
      })
      return Effect.onInterrupt(restore(Fiber.join(run)), () => cancel)
    })
  )

const inTurn = <A, E>(
  fleet: Fleet,
  ticket: Ticket,
  body: (ticket: Ticket) => Effect.Effect<A, E>
): Effect.Effect<A, E | ContainerStopping> =>
  Effect.suspend(() => {
    enqueue(fleet, ticket)
    const isFirst = (): boolean => fleet.tickets[0] === ticket
    return Effect.andThen(
      fleet.watchers.until(() => isFirst() || isOver(fleet, ticket)),
      Effect.suspend((): Effect.Effect<A, E | ContainerStopping> =>
        isOver(fleet, ticket) ? giveUp(fleet) : body(ticket)
      )
    )
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        const at = fleet.tickets.indexOf(ticket)
        if (at !== -1) fleet.tickets.splice(at, 1)
        fleet.changed()
      })
    )
  )
