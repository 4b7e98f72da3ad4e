/**
 * Plays rounds until the time is over or there have been enough kills, and ends every process whatever happens.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { ModelError } from "../../model/ModelError.ts"
import { Players } from "./players.ts"
import { Rounds, Stopped, type Subject } from "./rounds.ts"

export interface Limits {
  readonly seconds: number
  readonly kills: number
  readonly seed: number
  readonly stopAtFirst: boolean
}

const playing = async (rounds: Rounds, { kills, seconds, stopAtFirst }: Limits, signal: AbortSignal): Promise<void> => {
  const end = performance.now() + seconds * 1000
  const { counts } = rounds
  const isOver = (): boolean =>
    signal.aborted || performance.now() >= end || counts.kills >= kills || (stopAtFirst && counts.violations > 0)
  try {
    // At least one: a round that was not played shows nothing.
    do await rounds.round()
    while (!isOver())
  } catch (error) {
    if (!(error instanceof Stopped)) throw error
    if (!error.isViolation) throw new ModelError({ reason: "misuse", message: error.message })
    rounds.violation(error.message)
  }
}

/** Fails with `ModelError` for a model whose threads cannot be processes. */
export const play = (subject: Subject, limits: Limits, execArgv: ReadonlyArray<string>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Players(subject.place, execArgv)),
    (players) =>
      Effect.gen(function* () {
        const rounds = new Rounds(subject, players, limits.seed)
        const start = performance.now()
        yield* Effect.promise((signal) => playing(rounds, limits, signal)).pipe(
          Effect.catchDefect((error) => (error instanceof ModelError ? Effect.fail(error) : Effect.die(error)))
        )
        const seconds = (performance.now() - start) / 1000
        return { ...rounds.counts, examples: rounds.examples, seconds, seed: limits.seed }
      }),
    (players) => Effect.promise(() => players.end())
  )
