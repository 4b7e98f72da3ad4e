/**
 * A service with a recipient of its notices that writes everything down, and what a test asks about that.
 */
import { assert } from "@effect/vitest"
import * as Main from "@selvedge/core/service/Main"
import * as Notices from "@selvedge/core/service/Notices"
import * as Container from "@selvedge/core/workers/Container"
import * as TestContainer from "@selvedge/testing/workers/TestContainer"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { patient } from "../workers/stage.ts"
import { makeStage, pass, settle, type Stage } from "./stage.ts"

interface Message {
  readonly atMillis: number
  readonly lines: ReadonlyArray<string>
}

export interface Heard {
  readonly messages: Array<Message>
  /** While this is so, nothing arrives. */
  deaf: boolean
  throws: boolean
  /** All lines that begin so, as `1.5s LINE`. */
  readonly all: (...starts: ReadonlyArray<string>) => ReadonlyArray<string>
}

/** One life with a recipient that writes everything down; `act` ends with whatever it wants the end to begin with. */
export const live = <A, E>(
  layer: Layer.Layer<A, E, Main.Provided>,
  options: Main.Options<A> & { readonly watchdog?: Duration.Input },
  act: (stage: Stage, heard: Heard) => Effect.Effect<unknown, unknown>
) =>
  Effect.gen(function* () {
    const { watchdog, ...rest } = options
    const clock = yield* Clock.Clock
    const began = clock.monotonicTimeNanosUnsafe()
    const nowMillis = (): number => Number(clock.monotonicTimeNanosUnsafe() - began) / 1e6
    const messages: Array<Message> = []
    const heard: Heard = {
      messages,
      deaf: false,
      throws: false,
      all: (...starts) =>
        messages.flatMap(({ atMillis, lines }) =>
          lines
            .filter((line) => starts.some((start) => line.startsWith(start)))
            .map((line) => `${atMillis / 1000}s ${line}`)
        )
    }
    const recipient: Notices.Recipient = {
      send: (lines) => {
        if (heard.throws) throw new Error("a recipient that throws")
        if (heard.deaf) return false
        messages.push({ atMillis: nowMillis(), lines })
        return true
      },
      monotonicMicrosUnsafe: () => BigInt(Math.round(nowMillis() * 1000)),
      watchdog: watchdog === undefined ? undefined : Duration.fromInputUnsafe(watchdog)
    }
    const stage = yield* makeStage
    const main = yield* stage.launch(layer, rest).pipe(Effect.provideService(Notices.Notices, recipient))
    yield* settle
    yield* act(stage, heard)
    yield* pass(60_000, 500)
    const outcome = yield* Fiber.join(main)
    const count = messages.length
    yield* pass(5000, 500)
    assert.strictEqual(messages.length, count, "nothing is sent after the last status")
    return { heard, outcome, stage }
  })

export const states = ["READY", "RELOADING", "STOPPING"]
export const sigterm = (stage: Stage) =>
  Effect.andThen(
    Effect.sync(() => stage.signals.signalUnsafe("SIGTERM")),
    settle
  )
export const sighup = (stage: Stage) =>
  Effect.andThen(
    Effect.sync(() => stage.signals.signalUnsafe("SIGHUP")),
    settle
  )
export const lastOf = ({ messages }: Heard): string => messages.at(-1)?.lines.join("\n") ?? ""

export const withWorkers = (
  spec: Partial<Container.ServiceSpec>,
  hand: (workers: TestContainer.Shape) => void = () => {}
) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const container = yield* Container.make({ intensity: { max: 100, period: "1 minute" } })
      yield* container.run({ name: "parser", program: patient, count: 2, ...spec })
      hand(yield* TestContainer.TestContainer)
    })
  ).pipe(Layer.provide(TestContainer.layer))

/** The longest time between two signs of life that are told between two moments, which count as signs. */
export const longestGap = (heard: Heard, from: number, to: number): number => {
  const at = heard.messages.filter(({ lines }) => lines.includes("WATCHDOG=1")).map(({ atMillis }) => atMillis)
  const inside = [from, ...at.filter((one) => one > from && one < to), to]
  return Math.max(...inside.slice(1).map((one, index) => one - inside[index]!))
}
