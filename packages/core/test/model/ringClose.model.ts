/**
 * Closing against claims and blocked producers, records that are buried, leases over a lap, and sleeping on both sides.
 */
import { defineModel } from "@selvedge/testing/model"
import * as Bell from "../../src/memory/internal/bell.ts"
import * as Claim from "../../src/ring/internal/claim.ts"
import * as Layout from "../../src/ring/internal/layout.ts"
import * as Read from "../../src/ring/internal/read.ts"
import * as Rings from "./support/rings.ts"

const START = 2 ** 32 - 2

/** What the producer was told is published is what a consumer takes before it ends. */
const closing = (name: string, producers: 1 | 2) =>
  defineModel({
    name,
    setup: () => Rings.makeRing({ capacity: 2, producers, consumers: 1, start: START }),
    threads: {
      producer: (state: Rings.State) => Rings.publishSome(state, 0, 3, 0),
      closer: (state: Rings.State) => Claim.close(Rings.coreOf(state)),
      consumer: (state: Rings.State) => Rings.take(Rings.consumerOn(state, 0), 99, 2, true)
    },
    check: (_, { consumer, producer }) => Rings.expectOrdered(consumer, [producer ?? 0], "consumer")
  })

export const closeAlone = closing("close against a producer of 3 records over 2 slots", 1)
export const closeStamped = closing("close against a producer of 3 stamped records over 2 slots", 2)

export const closeShared = defineModel({
  name: "close against 2 producers of 2 records, drained afterwards",
  setup: () => Rings.makeRing({ capacity: 4, producers: 2, consumers: 1, start: START }),
  threads: {
    p: (state) => Rings.publishSome(state, 0, 2, 0),
    q: (state) => Rings.publishSome(state, 1, 2, 10),
    closer: (state) => Claim.close(Rings.coreOf(state))
  },
  check: (state, { p, q }) => {
    const rest = Rings.take(Rings.consumerOn(state, 0), 99, 4, true)
    Rings.expectOrdered(rest, [p ?? 0, q ?? 0], "whoever drains")
  }
})

/** Publishes like `publishSome`, asleep while there is no room. */
const publishParked = (state: Rings.State, index: number, count: number, first: number): number => {
  const { words } = Rings.coreOf(state)
  const producer = new Claim.ProducerCore(Rings.coreOf(state), index)
  for (let done = 0; done < count; done++) {
    for (;;) {
      let answer = Claim.tryClaim(producer, 1)
      if (answer > 0) {
        const seen = Bell.prepare(words, Layout.STATE_WORD, Layout.WRITERS_ASLEEP, Layout.WRITER_BELL_WORD)
        answer = Claim.tryClaim(producer, 1)
        if (answer > 0) Bell.sleep(words, Layout.WRITER_BELL_WORD, seen, Infinity)
      }
      if (answer === Claim.REFUSED_CLOSED) return done
      if (answer === Claim.CLAIMED) break
    }
    Rings.write(producer.core, producer.sequence, first + done)
    Claim.publish(producer, 1)
  }
  return count
}

/** Takes like `take`, asleep while there is nothing. */
const takeParked = (state: Rings.State, index: number, count: number): ReadonlyArray<number> => {
  const consumer = Rings.consumerOn(state, index)
  const { words } = consumer.core
  const values: Array<number> = []
  while (values.length < count) {
    if (Read.poll(consumer, 1) === 0) {
      const seen = Bell.prepare(words, Layout.STATE_WORD, Layout.READERS_ASLEEP, Layout.READER_BELL_WORD)
      if (Read.poll(consumer, 1) === 0) {
        if (Read.isAtEnd(consumer)) return values
        Bell.sleep(words, Layout.READER_BELL_WORD, seen, Infinity)
        continue
      }
    }
    values.push(Rings.peek(consumer.core, consumer.position))
    consumer.position = (consumer.position + 1) | 0
    Read.commit(consumer, consumer.position)
  }
  return values
}

export const park = defineModel({
  name: "1→1, both sides asleep, 2 records over 1 slot",
  setup: () => Rings.makeRing({ capacity: 1, producers: 1, consumers: 1, start: START }),
  threads: {
    producer: (state) => publishParked(state, 0, 2, 0),
    consumer: (state) => takeParked(state, 0, 2)
  },
  check: (_, { consumer }) => Rings.expectOrdered(consumer, [2], "consumer")
})

/** Too many orders to exhaust: sampled; `park` and `closeSleeper` split it. */
export const parkBroadcast = defineModel({
  name: "1→2, all asleep, 2 records over 1 slot",
  setup: () => Rings.makeRing({ capacity: 1, producers: 1, consumers: 2, start: START }),
  threads: {
    producer: (state) => publishParked(state, 0, 2, 0),
    a: (state) => takeParked(state, 0, 2),
    b: (state) => takeParked(state, 1, 2)
  },
  check: (_, { a, b }) => {
    Rings.expectOrdered(a, [2], "a")
    Rings.expectOrdered(b, [2], "b")
  },
  options: { strategy: { _tag: "Chess", preemptions: 2 } }
})

/** Too many orders to exhaust: sampled, beside `park` and `shared`, which split it. */
export const parkShared = defineModel({
  name: "2→1, all asleep, 2 records each over 1 slot",
  setup: () => Rings.makeRing({ capacity: 1, producers: 2, consumers: 1, start: START }),
  threads: {
    p: (state) => publishParked(state, 0, 2, 0),
    q: (state) => publishParked(state, 1, 2, 10),
    consumer: (state) => takeParked(state, 0, 4)
  },
  check: (_, { consumer }) => Rings.expectOrdered(consumer, [2, 2], "consumer"),
  options: { strategy: { _tag: "Chess", preemptions: 2 }, maxExecutions: 100_000 }
})

/** Publishes 2 at once if there is room when it looks, and then closes the ring, so that nobody has a reason to sleep on. */
const publishTwoOrNothing = (state: Rings.State, index: number): boolean => {
  const producer = new Claim.ProducerCore(Rings.coreOf(state), index)
  if (Claim.tryClaim(producer, 2) !== Claim.CLAIMED) return false
  for (let i = 0; i < 2; i++) Rings.write(producer.core, (producer.sequence + i) | 0, i)
  Claim.publish(producer, 2)
  return Claim.close(producer.core)
}

/** An intent that is taken back unpublished made room: whoever fell asleep because of it is woken. */
export const withdrawn = defineModel({
  name: "2 producers over 2 slots, one asks for both and finds no room; the other publishes 3, takes 1 and sleeps",
  setup: () => Rings.makeRing({ capacity: 2, producers: 2, consumers: 1, start: START }),
  threads: {
    p: (state) => publishTwoOrNothing(state, 0),
    q: (state) => {
      const consumer = Rings.consumerOn(state, 0)
      if (publishParked(state, 1, 1, 10) === 0) return 0
      Rings.take(consumer, 1, 1)
      return 1 + publishParked(state, 1, 2, 11)
    }
  },
  check: (_, { p, q }) => {
    if (p === false && q !== 3) Rings.fail(`published ${q} beside nobody`)
  },
  options: { strategy: { _tag: "Chess", preemptions: 3 }, maxExecutions: 60_000 }
})

/** Nobody takes: the producer is asleep without room when the ring closes, or finds it closed. */
export const closeBlocked = defineModel({
  name: "close against a producer asleep without room",
  setup: () => Rings.makeRing({ capacity: 1, producers: 2, consumers: 1, start: START }),
  threads: {
    producer: (state) => publishParked(state, 0, 2, 0),
    closer: (state) => Claim.close(Rings.coreOf(state))
  },
  check: (_, { producer }) => (producer ?? 0) <= 1
})

export const closeSleeper = defineModel({
  name: "close against 2 sleeping consumers",
  setup: () => Rings.makeRing({ capacity: 1, producers: 1, consumers: 2, start: START }),
  threads: {
    a: (state) => takeParked(state, 0, 1),
    b: (state) => takeParked(state, 1, 1),
    closer: (state) => {
      publishParked(state, 0, 1, 0)
      Claim.close(Rings.coreOf(state))
    }
  },
  check: (_, { a, b }) => {
    Rings.expectOrdered(a, [1], "a")
    Rings.expectOrdered(b, [1], "b")
  }
})

/** A writer that throws: its claim is buried between two records. */
const buried = (name: string, producers: 1 | 2) =>
  defineModel({
    name,
    setup: () => Rings.makeRing({ capacity: 2, producers, multi: producers > 1, consumers: 1, start: START }),
    threads: {
      producer: (state: Rings.State) => {
        const producer = new Claim.ProducerCore(Rings.coreOf(state), 0)
        for (let i = 0; i < 4; i++) {
          while (Claim.tryClaim(producer, 1) !== Claim.CLAIMED) Bell.pause()
          if (i % 2 === 1) Claim.bury(producer, 1)
          else {
            Rings.write(producer.core, producer.sequence, i / 2)
            Claim.publish(producer, 1)
          }
        }
      },
      consumer: (state: Rings.State) => Rings.take(Rings.consumerOn(state, 0), 4, 2)
    },
    check: (_, { consumer }) => Rings.expectOrdered(consumer, [2], "consumer")
  })

export const buriedAlone = buried("buried records of a ring with a cursor", 1)
export const buriedShared = buried("buried records of a stamped ring", 2)

/** Holds a record while the producer wants its slot again. */
export const lease = defineModel({
  name: "a lease over a lap: 2 slots, 4 records, each looked at twice",
  setup: () => Rings.makeRing({ capacity: 2, producers: 1, consumers: 1, start: START }),
  threads: {
    producer: (state) => Rings.publishSome(state, 0, 4, 0),
    consumer: (state) => {
      const consumer = Rings.consumerOn(state, 0)
      const values: Array<number> = []
      while (values.length < 4) {
        if (Read.poll(consumer, 1) === 0) {
          Bell.pause()
          continue
        }
        const first = Rings.peek(consumer.core, consumer.position)
        Read.isEjected(consumer)
        if (Rings.peek(consumer.core, consumer.position) !== first) Rings.fail("a leased record changed")
        values.push(first)
        consumer.position = (consumer.position + 1) | 0
        Read.commit(consumer, consumer.position)
      }
      return values
    }
  },
  check: (_, { consumer }) => Rings.expectOrdered(consumer, [4], "consumer")
})

export const parkBroadcastByPriorities = Rings.byPriorities(parkBroadcast)
export const parkSharedByPriorities = Rings.byPriorities(parkShared)
