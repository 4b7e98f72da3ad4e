/**
 * A process that is one thread of a model, on memory it shares with the others: joins, and runs its body on one instance after
 * another when it is told to, until it is killed or its parent is gone.
 *
 * @internal
 */
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { loadModel } from "../../model/threads.ts"
import { dawdle } from "./dawdle.ts"
import * as Seed from "../../faults/Seed.ts"
import { describe, type Order, type Place, PROGRESS, regionName, type Said } from "./orders.ts"
import { unpack } from "./packing.ts"
import { Progress } from "./progress.ts"

/** Looks at the others' places before going on without them. */
const PATIENCE = 2000
/** Between two looks at whether the one before is over, in milliseconds. */
const NAP_MILLIS = 0.2

const say = (said: Said): void => void process.send?.(said)

type Go = Extract<Order, { readonly _tag: "Go" }>

interface Cast {
  readonly states: ReadonlyArray<unknown>
  readonly progress: Progress
  readonly bodies: ReadonlyArray<(state: unknown) => unknown>
}

/** Only bodies are slow. */
const pace = dawdle()
const nap = new Int32Array(new SharedArrayBuffer(4))

const play = ({ bodies, progress, states }: Cast, { after, seed, thread }: Go): Said => {
  const random = Seed.integers(seed)
  pace.random = random
  for (let i = 0; i < states.length; i++) {
    while (after >= 0 && !progress.isOver(after, i)) Atomics.wait(nap, 0, 0, NAP_MILLIS)
    if (after < 0) progress.meet(thread, i + 1, PATIENCE)
    for (let spin = random(32); spin > 0; spin--) Atomics.load(nap, 0)
    progress.begin(thread, i)
    let result: unknown
    pace.on = true
    try {
      result = bodies[thread]!(states[i])
    } catch (error) {
      return { _tag: "Threw", instance: i, message: describe(error) }
    } finally {
      pace.on = false
    }
    try {
      progress.end(thread, i, result)
    } catch (error) {
      return { _tag: "Unfit", message: `what a body returns has to be a copy of plain data: ${describe(error)}` }
    }
  }
  return { _tag: "Done" }
}

/**
 * The memory is opened anew for each round: it was put back as it had been, and a watcher that had seen a bell at the very value it is rung
 * to in this round would take it for not rung.
 */
const round = Effect.fnUntraced(function* ({ regions, states }: Place, cast: Omit<Cast, "states">, go: Go) {
  const buffers: Array<SharedArrayBuffer> = []
  for (let i = 0; i < regions; i++) buffers.push(yield* MappedMemory.open(regionName(i)))
  return play({ ...cast, states: states.map((state) => unpack(state, buffers)) }, go)
}, Effect.scoped)

const lead = Effect.fnUntraced(function* (place: Place) {
  const { model: name, module, states, threads } = place
  const model = yield* Effect.promise(() => loadModel({ module, name }))
  const bodies = threads.map((thread) => {
    const one = model.threads[thread]!
    return typeof one === "function" ? one : one.run
  })
  const progress = new Progress(yield* MappedMemory.open(PROGRESS), threads.length, states.length)
  const orders = yield* Queue.unbounded<Order>()
  process.on("message", (order: Order) => void Queue.offerUnsafe(orders, order))
  say({ _tag: "Joined" })
  for (;;) {
    const order = yield* Queue.take(orders)
    if (order._tag === "Go") say(yield* round(place, { progress, bodies }, order))
  }
})

process.once("disconnect", () => process.exit(0))
process.once("message", (order: Order) => {
  if (order._tag !== "Join") return
  const layer = MappedMemory.layerAttached({ directory: order.directory, name: order.space, timeout: "30 seconds" })
  Effect.runPromise(Effect.scoped(lead(order)).pipe(Effect.provide(layer))).catch((error: unknown) =>
    say({ _tag: "Unfit", message: describe(error) })
  )
})
