/**
 * The other process, or thread: takes and checks, sends back what it takes, tells how late it came, or only waits.
 */
import * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import * as Ring from "@selvedge/core/ring/Ring"
import * as KeepAlive from "@selvedge/node/main/KeepAlive"
import * as MappedMemory from "@selvedge/node/memory/MappedMemory"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { parentPort, workerData } from "node:worker_threads"
import { type Job, nowMicros, Small } from "./ours.ts"

const job = (workerData ?? JSON.parse(process.argv[2] ?? "{}")) as Job
const say = (message: unknown): void => {
  if (parentPort === null) process.send?.(message)
  else parentPort.postMessage(message)
}

const scope = Scope.makeUnsafe()
const { handles, place, records, strategy } = job
const role: Ring.Role = strategy === "fibers" ? "fibers" : "dedicated"

const layer = place === undefined ? undefined : MappedMemory.layerAttached(place)
const services = Context.add(
  await Effect.runPromise(
    Layer.buildWithScope(layer === undefined ? KeepAlive.layer : Layer.merge(layer, KeepAlive.layer), scope)
  ),
  Scope.Scope,
  scope
) as Context.Context<MappedMemory.MappedMemory | Scope.Scope>
const live = <A, E>(self: Effect.Effect<A, E, MappedMemory.MappedMemory | Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.provide(self, services))

const handleOf = (index: 0 | 1): Promise<Ring.Handle> =>
  handles === undefined
    ? live(Effect.flatMap(MappedMemory.open(index === 0 ? "there" : "back"), MappedMemory.handle))
    : Promise.resolve(handles[index])

const attach = async (index: 0 | 1) => live(Ring.attach(await handleOf(index), { record: Small, role }))

const ring = await attach(0)
const consumer = await live(Consumer.make(ring, { id: "other" }))
const wait = Consumer.waitWith(WaitStrategy[strategy === "fibers" ? "park" : strategy])

const take = (): void => {
  say("ready")
  let count = 0
  let sum = 0
  const handler = ({ n }: Small): void => {
    sum += n
    count++
  }
  while (count < records && Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(handler, 4096)
  say(sum === (records * (records - 1)) / 2 ? count : -1)
}

const echo = async (): Promise<void> => {
  const producer = await live(Producer.make(await attach(1)))
  say("ready")
  if (role === "fibers") {
    const one = Effect.flatMap(Consumer.take(consumer), ({ n }) => Producer.publish(producer, { n }))
    await live(Effect.ignore(Effect.forever(one)))
    return
  }
  const reply = ({ n }: Small): void => void producer.publishUnsafe(1, (slot) => void (slot.n = n))
  while (Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(reply, 1)
}

const time = async (): Promise<void> => {
  const late: Array<number> = []
  say("ready")
  if (role === "fibers") {
    const one = Effect.map(Consumer.take(consumer), ({ n }) => void late.push(nowMicros() - n))
    await live(Effect.repeat(one, { times: records - 1 }))
  } else {
    const handler = ({ n }: Small): void => void late.push(nowMicros() - n)
    while (late.length < records && Consumer.awaitBlockingUnsafe(consumer, wait)) consumer.processUnsafe(handler, 1)
  }
  say(late)
}

const idle = async (): Promise<void> => {
  for (let i = 0; i < 15; i++) {
    const another = await live(Consumer.make(ring, { id: `other ${i}` }))
    void live(Effect.ignore(Consumer.take(another)))
  }
  void live(Effect.ignore(Consumer.take(consumer)))
  say("ready")
  // The first seconds are still those of starting.
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const before = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const { system, user } = process.cpuUsage(before)
  say((system + user) / 3000)
}

await { take, echo, time, idle }[job.role]()
