/**
 * Round trips over two rings, measured alike whoever echoes: another thread or another process.
 *
 * @internal
 */
import * as Consumer from "@selvedge/core/ring/Consumer"
import * as Producer from "@selvedge/core/ring/Producer"
import type * as WaitStrategy from "@selvedge/core/memory/WaitStrategy"
import * as Effect from "effect/Effect"
import { check, percentiles, type Sample } from "../harness.ts"

interface Numbered {
  n: number
}

/** The first quarter of the trips warms up. */
const counts = (trip: number, trips: number): boolean => trip > trips / 4

/** Microseconds there and back; this side blocks its thread. */
export const blocking = (
  producer: Producer.Producer<Numbered>,
  consumer: Consumer.Consumer<Numbered>,
  strategy: WaitStrategy.WaitStrategy,
  trips: number
): Sample => {
  const wait = Consumer.waitWith(strategy)
  const times: Array<number> = []
  for (let i = 0; i < trips; i++) {
    const begin = performance.now()
    producer.publishUnsafe(1, (slot) => void (slot.n = i))
    Consumer.awaitBlockingUnsafe(consumer, wait)
    let seen = -1
    consumer.processUnsafe(({ n }) => void (seen = n), 1)
    const micros = (performance.now() - begin) * 1000
    check(seen === i, `the echo of ${i}, found ${seen}`)
    if (counts(i, trips)) times.push(micros)
  }
  return percentiles(times)
}

/** Microseconds there and back; this side is a fiber that sleeps. */
export const fibers = Effect.fnUntraced(function* (
  producer: Producer.Producer<Numbered>,
  consumer: Consumer.Consumer<Numbered>,
  trips: number
) {
  const times: Array<number> = []
  for (let i = 0; i < trips; i++) {
    const begin = performance.now()
    yield* Producer.publish(producer, { n: i })
    const { n } = yield* Consumer.take(consumer)
    if (counts(i, trips)) times.push((performance.now() - begin) * 1000)
    check(n === i, `the echo of ${i}, found ${n}`)
  }
  return percentiles(times)
})
