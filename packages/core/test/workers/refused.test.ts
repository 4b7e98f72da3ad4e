/**
 * What code without types hands to a container, a request or a program: refused, with what was wanted and what was found, before
 * anything is begun or sent.
 */
import { assert, describe, it } from "@effect/vitest"
import * as WorkerProgram from "@selvedge/core/service/WorkerProgram"
import * as Container from "@selvedge/core/workers/Container"
import * as OrdinalPool from "@selvedge/core/workers/OrdinalPool"
import * as Supervisor from "@selvedge/core/workers/Supervisor"
import * as WorkerRegions from "@selvedge/core/workers/WorkerRegions"
import * as WorkerRequest from "@selvedge/core/workers/WorkerRequest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { asking, Echo, lives, on, patient, settle } from "./stage.ts"

const plain = (value: unknown): never => value as never
const bare: unknown = Object.create(null)

describe("a request to nobody there can be", () => {
  for (const [to, detail] of [
    ["anyone", 'a key, found "anyone"'],
    [null, "a key, found null"],
    [{ servce: "worker" }, 'a key, found "servce": "worker"'],
    [{ service: "worker", serviceOrdnal: 1 }, '"serviceOrdnal": 1'],
    [{ service: "worker", serviceOrdinal: "0" }, 'wanted a serviceOrdinal from 0 on, found "0"'],
    [{ service: "worker", serviceOrdinal: NaN }, "wanted a serviceOrdinal from 0 on, found NaN"],
    [{ key: undefined }, 'a key, found "key": undefined'],
    [{ key: "a", service: "worker" }, '"key": "a"'],
    [{}, "a key, found nothing of that"],
    [[], "a key, found nothing of that"]
  ] as const) {
    it.effect(`such as ${JSON.stringify(to)} says what an address is, and asks nobody [W5]`, () =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        const child = yield* container.spawn({ name: "worker", program: asking })
        yield* settle
        const error = yield* Effect.flip(container.request(Echo, "text", plain(to)))
        assert.strictEqual(error.reason, "NoWorker")
        assert.include(error.detail, detail)
        assert.strictEqual(child.statusUnsafe().requests, 0)
      }).pipe(on())
    )
  }

  it.effect("is a mistake of who asks where it is no request [W5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      for (const request of [undefined, null, {}, { tag: "Echo" }, "Echo"]) {
        const exit = yield* Effect.exit(container.request(plain(request), "text"))
        assert.include(exit._tag === "Failure" ? Cause.pretty(exit.cause) : "", "wanted what WorkerRequest.make gives")
      }
    }).pipe(on())
  )
})

describe("a specification", () => {
  it.effect(
    "of one worker with a count is refused, also in a set-up: one would be started, and no more [W4] [W11]",
    () =>
      Effect.gen(function* () {
        const container = yield* Container.make()
        const many = plain({ name: "worker", program: patient, count: 4 })
        const wanted = 'service "worker": count: wanted no count: run starts several, found 4'
        assert.include((yield* Effect.flip(container.spawn(many))).message, wanted)
        const error = yield* Effect.flip(container.reload((spawner) => spawner.spawn(many)))
        assert.include(error.message, wanted)
        assert.deepStrictEqual(yield* lives, [])
      }).pipe(on())
  )

  it.effect("that is no object is shown as what it is [W6]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      for (const [spec, found] of [
        [null, "null"],
        [undefined, "undefined"],
        [5, "5"]
      ] as const) {
        const messages = [
          (yield* Effect.flip(container.spawn(plain(spec)))).message,
          (yield* Effect.flip(container.run(plain(spec)))).message
        ]
        for (const message of messages) assert.include(message, `an object with a name and a program, found ${found}`)
      }
    }).pipe(on())
  )

  it.effect("of a supervisor that is none is refused, whatever it is [W6]", () =>
    Effect.gen(function* () {
      for (const options of [undefined, null, {}, { children: bare }, { children: "ab" }, { children: [] }]) {
        const error = yield* Effect.flip(Supervisor.make(plain(options)))
        assert.include(error.message, "children: wanted at least one child")
      }
    }).pipe(on())
  )
})

describe("operations and small things", () => {
  it.effect("show what no text can be made of, too [W11] [W14] [W1] [W5]", () =>
    Effect.gen(function* () {
      const container = yield* Container.make()
      yield* container.spawn({ name: "worker", program: patient })
      const refused = [
        yield* Effect.flip(container.scale(plain(bare), 2)),
        yield* Effect.flip(container.scale("worker", plain(bare))),
        yield* Effect.flip(container.restart({ service: plain(bare) })),
        yield* Effect.flip(WorkerRegions.get(plain(bare))),
        yield* Effect.flip(OrdinalPool.make(plain({ capacty: 3 }))),
        yield* Effect.flip(OrdinalPool.make(plain(null)))
      ]
      for (const { message } of refused) assert.match(message, /wanted .*, found /)
    }).pipe(on())
  )
})

describe("a program of a worker", () => {
  const schema = Schema.String
  const wrong: ReadonlyArray<readonly [make: () => unknown, message: string]> = [
    [() => WorkerProgram.make(plain(null)), "wanted an object with layer, main, handlers, ready, found null"],
    [() => WorkerProgram.make(plain({ handler: [] })), 'wanted one of layer, main, handlers, ready, found "handler"'],
    [() => WorkerProgram.make(plain({ ready: "manuel" })), 'ready: wanted "built" or "manual", found "manuel"'],
    [() => WorkerProgram.make(plain({ main: () => 1 })), "main: wanted an Effect, found a function"],
    [() => WorkerProgram.make(plain({ layer: Effect.void })), "layer: wanted a Layer, found"],
    [
      () => WorkerProgram.make(plain({ handlers: [{}] })),
      "handlers: wanted an array of what WorkerRequest.handler gives"
    ],
    [() => WorkerRequest.make("", { payload: schema, success: schema }), "wanted a string of 1 to 256 characters"],
    [() => WorkerRequest.make("x".repeat(257), { payload: schema, success: schema }), "of 1 to 256 characters"],
    [
      () => WorkerRequest.make("x", plain({ payload: schema })),
      "the success of request x: wanted a Schema, found undefined"
    ],
    [() => WorkerRequest.make("x", plain({ payload: schema, success: schema, eror: schema })), 'found "eror"'],
    [
      () => WorkerRequest.handler(plain({}), () => Effect.void),
      "a handler's request: wanted what WorkerRequest.make gives"
    ],
    [
      () => WorkerRequest.handler(Echo, plain(5)),
      "the handler of Echo: wanted a function that gives an Effect, found 5"
    ]
  ]
  for (const [make, message] of wrong) {
    it(`is refused where it is written: ${message} [W5]`, () => assert.throws(make, TypeError, message))
  }

  it("may leave out everything [W5]", () => {
    assert.isTrue(WorkerProgram.isWorkerProgram(WorkerProgram.make({ layer: Layer.empty, main: undefined })))
  })
})
