/**
 * Twenty small programs with a bug in the order of their fibers, and their twins without it.
 *
 * Every planted bug is invisible under Effect's own scheduler: it needs another fiber to run between two operations that
 * usually follow each other. `planted` fails with a word (or never ends) in a bad order, `corrected` in none.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import type * as Scope from "effect/Scope"

export interface Planted {
  readonly name: string
  readonly planted: Effect.Effect<void, string, Scope.Scope>
  readonly corrected: Effect.Effect<void, string, Scope.Scope>
}

const together = <A, E, R>(...effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects, { concurrency: "unbounded" })

const expect = (good: boolean, what: string): Effect.Effect<void, string> => (good ? Effect.void : Effect.fail(what))

/** Stands for anything that is one operation of Effect and does not suspend: a log line, a metric, a service call. */
const operation = Effect.sync(() => {})

const lostUpdate = (safe: boolean) =>
  Effect.gen(function* () {
    const count = yield* Ref.make(0)
    const add = safe ? Ref.update(count, (n) => n + 1) : Effect.flatMap(Ref.get(count), (n) => Ref.set(count, n + 1))
    yield* together(add, add)
    yield* expect((yield* Ref.get(count)) === 2, "an update was lost")
  })

const checkThenAct = (safe: boolean) =>
  Effect.gen(function* () {
    let balance = 100
    const lock = yield* Semaphore.make(1)
    const withdraw = Effect.gen(function* () {
      if (balance < 70) return
      yield* operation
      balance -= 70
    })
    const one = safe ? lock.withPermits(1)(withdraw) : withdraw
    yield* together(one, one)
    yield* expect(balance >= 0, "overdrawn")
  })

const doubleClose = (safe: boolean) =>
  Effect.gen(function* () {
    let open = true
    let closed = 0
    const flush = operation
    const close = Effect.gen(function* () {
      if (!open) return
      if (safe) open = false
      yield* flush
      open = false
      closed++
    })
    yield* together(close, close)
    yield* expect(closed === 1, `closed ${closed} times`)
  })

const publishBeforeInit = (safe: boolean) =>
  Effect.gen(function* () {
    let config: { port?: number } | undefined
    const start = Effect.gen(function* () {
      const fresh: { port?: number } = {}
      if (!safe) config = fresh
      yield* operation
      fresh.port = 80
      config = fresh
    })
    const use = Effect.suspend(() => expect(config === undefined || config.port !== undefined, "half made"))
    yield* together(start, use)
  })

const forgottenAwait = (safe: boolean) =>
  Effect.gen(function* () {
    const saved: Array<string> = []
    const fiber = yield* Effect.forkChild(Effect.sync(() => saved.push("order")))
    yield* safe ? Fiber.join(fiber) : Effect.yieldNow
    yield* expect(saved.length === 1, "answered before it was saved")
  })

const permitLostOnInterruption = (safe: boolean) =>
  Effect.gen(function* () {
    const permits = yield* Semaphore.make(1)
    const work = operation
    const job = safe
      ? permits.withPermits(1)(work)
      : permits.take(1).pipe(Effect.andThen(work), Effect.andThen(permits.release(1)))
    const fiber = yield* Effect.forkChild(job)
    yield* Effect.yieldNow
    yield* Fiber.interrupt(fiber)
    yield* expect(yield* permits.takeIfAvailable(1), "the permit is gone")
  })

const unsafeLazyInit = (safe: boolean) =>
  Effect.gen(function* () {
    let connection: object | undefined
    let connects = 0
    const connect = Effect.sync(() => {
      connects++
      return {}
    })
    const unsafeGet = Effect.suspend(() =>
      connection === undefined ? Effect.map(connect, (fresh) => (connection = fresh)) : Effect.succeed(connection)
    )
    const get = safe ? yield* Effect.cached(connect) : unsafeGet
    yield* together(get, get, get)
    yield* expect(connects === 1, `connected ${connects} times`)
  })

const siblingOrder = (safe: boolean) =>
  Effect.gen(function* () {
    const ready = yield* Latch.make()
    let table: Map<string, number> | undefined
    const load = Effect.andThen(
      Effect.sync(() => (table = new Map([["a", 1]]))),
      ready.open
    )
    const read = Effect.suspend(() => expect(table?.get("a") === 1, "read before it was loaded"))
    const first = yield* Effect.forkChild(load)
    const second = yield* Effect.forkChild(safe ? ready.whenOpen(read) : read)
    yield* Fiber.joinAll([first, second])
  })

const overfill = (safe: boolean) =>
  Effect.gen(function* () {
    const slots: Array<number> = []
    const offer = (n: number) =>
      safe
        ? Effect.sync(() => (slots.length < 1 ? slots.push(n) : 0))
        : Effect.flatMap(
            Effect.sync(() => slots.length < 1),
            (room) => Effect.sync(() => (room ? slots.push(n) : 0))
          )
    yield* together(offer(1), offer(2))
    yield* expect(slots.length === 1, "more than there is room for")
  })

const lockOrder = (safe: boolean) =>
  Effect.gen(function* () {
    const left = yield* Semaphore.make(1)
    const right = yield* Semaphore.make(1)
    const one = left.withPermits(1)(right.withPermits(1)(operation))
    const other = safe ? one : right.withPermits(1)(left.withPermits(1)(operation))
    yield* together(one, other)
  })

const lostWakeUp = (safe: boolean) =>
  Effect.gen(function* () {
    let set = false
    const waiters: Array<Deferred.Deferred<void>> = []
    const wait = Effect.gen(function* () {
      const bell = yield* Deferred.make<void>()
      if (safe) waiters.push(bell)
      if (set) return
      yield* operation
      if (!safe) waiters.push(bell)
      yield* Deferred.await(bell)
    })
    const notify = Effect.gen(function* () {
      set = true
      for (const bell of waiters.splice(0)) yield* Deferred.succeed(bell, undefined)
    })
    yield* together(wait, notify)
  })

const staleCache = (safe: boolean) =>
  Effect.gen(function* () {
    let stored = "old"
    let version = 0
    let cache: string | undefined
    const read = Effect.gen(function* () {
      const before = version
      const value = stored
      yield* operation
      if (!safe || before === version) cache = value
    })
    const write = Effect.sync(() => {
      stored = "new"
      version++
      cache = undefined
    })
    yield* together(read, write)
    yield* expect(cache !== "old", "the cache kept the old value")
  })

const tornRead = (safe: boolean) =>
  Effect.gen(function* () {
    let pair = { low: 0, high: 0 }
    const write = Effect.gen(function* () {
      if (safe) {
        pair = { low: 1, high: 1 }
        return
      }
      pair.low = 1
      yield* operation
      pair.high = 1
    })
    const read = Effect.suspend(() => expect(pair.low === pair.high, "saw half of a change"))
    yield* together(write, read)
  })

const sameSlot = (safe: boolean) =>
  Effect.gen(function* () {
    const taken = [false, false]
    const claim = Effect.gen(function* () {
      const slot = taken.indexOf(false)
      if (safe) taken[slot] = true
      yield* operation
      taken[slot] = true
      return slot
    })
    const slots = yield* together(claim, claim)
    yield* expect(new Set(slots).size === 2, "two owners of one slot")
  })

const leakedHandle = (safe: boolean) =>
  Effect.gen(function* () {
    let open = 0
    const acquire = Effect.sync(() => void open++)
    const release = Effect.sync(() => void open--)
    const unsafeUse = Effect.gen(function* () {
      yield* acquire
      yield* Effect.ensuring(operation, release)
    })
    const use = safe
      ? Effect.acquireUseRelease(
          acquire,
          () => operation,
          () => release
        )
      : unsafeUse
    const fiber = yield* Effect.forkChild(use)
    yield* Effect.yieldNow
    yield* Fiber.interrupt(fiber)
    yield* expect(open === 0, "a handle stayed open")
  })

const spawnWhileClosing = (safe: boolean) =>
  Effect.gen(function* () {
    let closing = false
    const running: Array<string> = []
    const spawn = Effect.gen(function* () {
      if (closing) return
      if (!safe) yield* operation
      running.push("task")
    })
    const close = Effect.sync(() => {
      closing = true
      running.length = 0
    })
    yield* together(spawn, close)
    yield* expect(!closing || running.length === 0, "a task escaped the closing")
  })

const outOfOrderLog = (safe: boolean) =>
  Effect.gen(function* () {
    let next = 0
    const log: Array<number> = []
    const append = safe
      ? Effect.sync(() => log.push(next++))
      : Effect.flatMap(
          Effect.sync(() => next++),
          (sequence) => Effect.sync(() => log.push(sequence))
        )
    yield* together(append, append, append)
    yield* expect(log.join() === "0,1,2", `written as ${log.join()}`)
  })

const doneTwice = (safe: boolean) =>
  Effect.gen(function* () {
    const jobs = ["a", "b"]
    const done: Array<string> = []
    const worker = Effect.gen(function* () {
      while (jobs.length > 0) {
        const job = safe ? jobs.shift() : jobs[0]
        yield* operation
        if (job !== undefined) done.push(job)
        if (!safe) jobs.shift()
      }
    })
    yield* together(worker, worker)
    yield* expect(done.toSorted().join() === "a,b", `done: ${done.join()}`)
  })

const closedUnderUse = (safe: boolean) =>
  Effect.gen(function* () {
    let users = 0
    let open = true
    const use = Effect.gen(function* () {
      if (!open) return
      users++
      yield* operation
      const usable = open
      if (--users === 0) {
        if (!safe) yield* operation
        open = false
      }
      yield* expect(usable, "closed while in use")
    })
    yield* together(use, use)
  })

const publishedToNobody = (safe: boolean) =>
  Effect.gen(function* () {
    const hub = yield* PubSub.unbounded<string>()
    const early = yield* PubSub.subscribe(hub)
    const listen = Effect.flatMap(safe ? Effect.succeed(early) : PubSub.subscribe(hub), PubSub.take)
    const listener = yield* Effect.forkChild(Effect.scoped(listen))
    yield* Effect.yieldNow
    yield* PubSub.publish(hub, "ready")
    yield* Fiber.join(listener)
  })

const plant = (name: string, make: (safe: boolean) => Planted["planted"]): Planted => ({
  name,
  planted: make(false),
  corrected: make(true)
})

export const plantedBugs: ReadonlyArray<Planted> = [
  plant("lost update", lostUpdate),
  plant("check, then act", checkThenAct),
  plant("closed twice", doubleClose),
  plant("published before it was made", publishBeforeInit),
  plant("forgotten await", forgottenAwait),
  plant("permit lost on interruption", permitLostOnInterruption),
  plant("unsafe lazy initialisation", unsafeLazyInit),
  plant("order assumed between siblings", siblingOrder),
  plant("room checked, then filled", overfill),
  plant("locks taken in two orders", lockOrder),
  plant("lost wake-up", lostWakeUp),
  plant("stale cache", staleCache),
  plant("torn read", tornRead),
  plant("one slot, two owners", sameSlot),
  plant("handle leaked on interruption", leakedHandle),
  plant("task spawned while closing", spawnWhileClosing),
  plant("numbered, then written", outOfOrderLog),
  plant("job done twice", doneTwice),
  plant("closed under use", closedUnderUse),
  plant("published to nobody", publishedToNobody)
]
