import { assert, describe, it } from "@effect/vitest"
import * as ShutdownReason from "@selvedge/core/shutdown/ShutdownReason"
import * as ShutdownToken from "@selvedge/core/shutdown/ShutdownToken"
import * as TokenTree from "@selvedge/core/shutdown/TokenTree"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"

const { TokenNode } = TokenTree
const by = (who: string): ShutdownReason.ShutdownReason => ShutdownReason.Requested({ by: who })
const phase = (token: TokenTree.Token): string => token.phaseUnsafe()._tag
const reason = (token: TokenTree.Token): string => {
  const found = token.phaseUnsafe()
  return found._tag === "Running" ? "Running" : ShutdownReason.describe(found.reason)
}
const below = (parent: TokenTree.TokenNode) => new TokenNode({ follows: [parent] })
const heldBelow = (parent: TokenTree.TokenNode) => new TokenNode({ heldBy: [parent] })

describe("phases", () => {
  it("moves from Running to Draining to Forced and never back [S1]", () => {
    const token = new TokenNode()
    assert.strictEqual(phase(token), "Running")
    assert.isTrue(token.requestUnsafe(by("a")))
    assert.strictEqual(phase(token), "Draining")
    assert.isTrue(token.forceUnsafe(by("b")))
    assert.strictEqual(phase(token), "Forced")
    assert.isFalse(token.requestUnsafe(by("c")))
    assert.isFalse(token.forceUnsafe(by("d")))
    token.drainUnsafe(by("e"))
    token.releaseUnsafe(by("f"))
    assert.strictEqual(phase(token), "Forced")
  })

  it("keeps the first reason, whatever comes later [S1]", () => {
    const token = new TokenNode()
    token.requestUnsafe(by("first"))
    token.requestUnsafe(by("second"))
    token.forceUnsafe(by("third"))
    assert.strictEqual(reason(token), "Requested by first")
  })

  it("refuses what is no reason before anything moves, and names what is wrong with it [S1] [S2]", () => {
    const wrong: ReadonlyArray<readonly [unknown, string]> = [
      [undefined, "a reason to stop: wanted a ShutdownReason, found undefined"],
      ["SIGTERM", 'a reason to stop: wanted a ShutdownReason, found "SIGTERM"'],
      [{ _tag: "toString" }, "a reason to stop: wanted one of Signal, Requested, Reload, RunCompleted"],
      [{ _tag: "Requested" }, "the by of a reason Requested: wanted a string, found undefined"],
      [{ _tag: "Fatal", origin: "x", cause: "y" }, 'the cause of a reason Fatal: wanted a Cause, found "y"']
    ]
    for (const planned of [false, true]) {
      const token = new TokenNode({ planned })
      for (const [reason, message] of wrong) {
        assert.throws(() => token.requestUnsafe(reason as never), TypeError, message)
        assert.throws(() => token.forceUnsafe(reason as never), TypeError, message)
      }
      assert.strictEqual(phase(token), "Running")
      assert.isUndefined(token.requestedUnsafe())
    }
  })

  it("answers true only to the request and the force that changed something [S1]", () => {
    const token = new TokenNode()
    assert.deepStrictEqual([token.requestUnsafe(by("a")), token.requestUnsafe(by("b"))], [true, false])
    assert.deepStrictEqual([token.forceUnsafe(by("a")), token.forceUnsafe(by("b"))], [true, false])
  })

  it.effect("shows the reason and all phases of the subtree before any waiter wakes [S1]", () =>
    Effect.gen(function* () {
      const root = new TokenNode()
      const children = [below(root), below(root), below(root)]
      const grandchild = below(children[2]!)
      const all = [root, ...children, grandchild]
      const seen: Array<ReadonlyArray<string>> = []
      const waiters = yield* Effect.forEach(all, (token) =>
        Effect.forkChild(
          Effect.tap(token.awaitDraining, () => Effect.sync(() => seen.push(all.map(reason)))),
          { startImmediately: true }
        )
      )
      root.requestUnsafe(by("operator"))
      yield* Fiber.joinAll(waiters)
      assert.strictEqual(seen.length, all.length)
      for (const view of seen)
        assert.deepStrictEqual(
          view,
          all.map(() => "Requested by operator")
        )
    })
  )

  it.effect("shows a recorded request everywhere before anyone who waits for it wakes [S1]", () =>
    Effect.gen(function* () {
      const root = new TokenNode({ planned: true })
      const all = [root, heldBelow(root), below(root)]
      const seen: Array<number> = []
      const waiters = yield* Effect.forEach(all, (token) =>
        Effect.forkChild(
          Effect.tap(token.awaitRequested, () =>
            Effect.sync(() => seen.push(all.filter((one) => one.requestedUnsafe() !== undefined).length))
          ),
          { startImmediately: true }
        )
      )
      root.requestUnsafe(by("operator"))
      yield* Fiber.joinAll(waiters)
      assert.deepStrictEqual(seen, [3, 3, 3])
    })
  )

  it.effect("lets a woken waiter force the same tree at once [S1]", () =>
    Effect.gen(function* () {
      const root = new TokenNode()
      const children = [below(root), below(root)]
      const heard: Array<string> = []
      for (const child of children) child.listenUnsafe((now) => heard.push(now._tag))
      const waiter = yield* Effect.forkChild(
        Effect.tap(root.awaitDraining, () => Effect.sync(() => root.forceUnsafe(by("waiter")))),
        { startImmediately: true }
      )
      root.requestUnsafe(by("operator"))
      yield* Fiber.join(waiter)
      assert.deepStrictEqual(children.map(phase), ["Forced", "Forced"])
      assert.deepStrictEqual(heard, ["Forced", "Forced"])
      assert.deepStrictEqual(children.map(reason), ["Requested by operator", "Requested by operator"])
    })
  )

  it("tells a listener each change of phase once, and none after it stopped [S1]", () => {
    const root = new TokenNode({ planned: true })
    const child = below(root)
    const heard: Array<string> = []
    const stop = child.listenUnsafe((now) => heard.push(now._tag))
    root.drainUnsafe(by("plan"))
    child.requestUnsafe(by("itself"))
    root.forceUnsafe(by("operator"))
    assert.deepStrictEqual(heard, ["Draining", "Forced"])
    stop()
    const other = below(new TokenNode())
    const stopped: Array<string> = []
    const stopOther = other.listenUnsafe(() => stopped.push("first"))
    other.listenUnsafe(() => stopped.push("second"))
    stopOther()
    other.requestUnsafe(by("a"))
    assert.deepStrictEqual(stopped, ["second"])
  })

  it("does not call a listener that an earlier one has just stopped [S1]", () => {
    const token = new TokenNode()
    const heard: Array<string> = []
    const stops: Array<() => void> = []
    token.listenUnsafe(() => {
      heard.push("first")
      stops[0]!()
    })
    stops.push(token.listenUnsafe(() => heard.push("second")))
    token.requestUnsafe(by("a"))
    assert.deepStrictEqual(heard, ["first"])
  })
})

describe("parents and children", () => {
  it("takes children along when their parent is asked or forced [S1]", () => {
    const root = new TokenNode()
    const child = below(root)
    const grandchild = below(child)
    root.requestUnsafe(by("a"))
    assert.deepStrictEqual([child, grandchild].map(phase), ["Draining", "Draining"])
    root.forceUnsafe(by("a"))
    assert.deepStrictEqual([child, grandchild].map(phase), ["Forced", "Forced"])
  })

  it("keeps a child's request and force out of its parent and siblings [S1] [flaw S1]", () => {
    const root = new TokenNode()
    const child = below(root)
    const sibling = below(root)
    child.requestUnsafe(by("child"))
    child.forceUnsafe(by("child"))
    assert.deepStrictEqual([root, sibling].map(phase), ["Running", "Running"])
    assert.isUndefined(root.requestedUnsafe())
    root.requestUnsafe(by("operator"))
    assert.strictEqual(reason(root), "Requested by operator")
    assert.strictEqual(reason(child), "Requested by child")
    assert.strictEqual(reason(sibling), "Requested by operator")
  })

  it("moves only the descendants of the token that was asked [S1]", () => {
    const root = new TokenNode()
    const left = below(root)
    const right = below(root)
    const belowLeft = [below(left), below(left)]
    left.requestUnsafe(by("left"))
    assert.deepStrictEqual([left, ...belowLeft].map(phase), ["Draining", "Draining", "Draining"])
    assert.deepStrictEqual([root, right].map(phase), ["Running", "Running"])
  })

  it("starts a child in its parent's phase, with its parent's reason [S1]", () => {
    const root = new TokenNode()
    root.requestUnsafe(by("operator"))
    const draining = below(root)
    assert.deepStrictEqual([phase(draining), reason(draining)], ["Draining", "Requested by operator"])
    root.forceUnsafe(by("late"))
    const forced = below(root)
    assert.deepStrictEqual([phase(forced), reason(forced)], ["Forced", "Requested by operator"])
  })

  it.effect(
    "reaches a grandchild through a child whose scope is still open, and leaves it alone after it closed [S1]",
    () =>
      Effect.gen(function* () {
        const root = new TokenNode()
        const scope = yield* Scope.make()
        const child = yield* Scope.provide(root.child, scope)
        const grandchild = yield* Scope.provide(child.child, scope)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual([child, grandchild].map(reason), ["ScopeClosed", "ScopeClosed"])
        assert.strictEqual(phase(root), "Running")
        root.requestUnsafe(by("operator"))
        assert.deepStrictEqual([child, grandchild].map(reason), ["ScopeClosed", "ScopeClosed"])
      })
  )

  it.effect("forgets ten thousand children whose scopes closed [S1]", () =>
    Effect.gen(function* () {
      const root = new TokenNode()
      const before = root.descendantsUnsafe()
      yield* Effect.forEach(Array.from({ length: 10_000 }), () => Effect.scoped(root.child), { discard: true })
      assert.strictEqual(root.descendantsUnsafe(), before)
    })
  )

  it("walks a chain of twenty thousand tokens without recursion [S1]", () => {
    const root = new TokenNode({ planned: true })
    let last = root
    for (let i = 0; i < 20_000; i++) last = below(last)
    root.setDeadlineUnsafe(5n)
    assert.strictEqual(last.deadlineUnsafe(), 5n)
    assert.isTrue(last.isBelowUnsafe(root))
    assert.isFalse(root.isBelowUnsafe(last))
    root.requestUnsafe(by("operator"))
    assert.strictEqual(last.requestedUnsafe()?._tag, "Requested")
    root.drainUnsafe(by("plan"))
    root.forceUnsafe(by("operator"))
    assert.strictEqual(reason(last), "Requested by operator")
  })
})

describe("the root of a service and its held tokens", () => {
  it("records a request at once and moves only when the plan says so [S1]", () => {
    const root = new TokenNode({ planned: true })
    const user = below(root)
    assert.isTrue(root.requestUnsafe(by("operator")))
    assert.isFalse(root.requestUnsafe(by("again")))
    assert.deepStrictEqual([root, user].map(phase), ["Running", "Running"])
    assert.strictEqual(ShutdownReason.describe(user.requestedUnsafe()!), "Requested by operator")
    root.drainUnsafe(by("plan"))
    assert.deepStrictEqual([root, user].map(reason), ["Requested by operator", "Requested by operator"])
  })

  it("drains users' children with the root, and a held token only at its turn [S1]", () => {
    const root = new TokenNode({ planned: true })
    const registry = below(root)
    const kinds = [heldBelow(registry), heldBelow(registry)]
    root.requestUnsafe(by("operator"))
    root.drainUnsafe(by("plan"))
    assert.strictEqual(phase(registry), "Draining")
    assert.deepStrictEqual(kinds.map(phase), ["Running", "Running"])
    kinds[0]!.releaseUnsafe(by("plan"))
    assert.deepStrictEqual(kinds.map(phase), ["Draining", "Running"])
    assert.strictEqual(reason(kinds[0]!), "Requested by operator")
    root.forceUnsafe(by("second signal"))
    assert.deepStrictEqual(kinds.map(phase), ["Forced", "Forced"])
  })

  it("starts a held token Running while the plan has not come to it [S1]", () => {
    const root = new TokenNode({ planned: true })
    root.requestUnsafe(by("operator"))
    root.drainUnsafe(by("plan"))
    const held = heldBelow(root)
    assert.strictEqual(phase(held), "Running")
    assert.strictEqual(held.requestedUnsafe()?._tag, "Requested")
  })

  it("takes held tokens along when a token that is not the root is asked [S1]", () => {
    const root = new TokenNode({ planned: true })
    const subsystem = below(root)
    const held = heldBelow(subsystem)
    subsystem.requestUnsafe(by("subsystem"))
    assert.deepStrictEqual([subsystem, held].map(reason), ["Requested by subsystem", "Requested by subsystem"])
    assert.isUndefined(root.requestedUnsafe())
  })

  it("takes held tokens along when a subsystem that already drains by the plan is asked itself [S1]", () => {
    const root = new TokenNode({ planned: true })
    const subsystem = below(root)
    const held = heldBelow(subsystem)
    root.requestUnsafe(by("operator"))
    root.drainUnsafe(by("plan"))
    assert.strictEqual(phase(held), "Running")
    subsystem.requestUnsafe(by("subsystem"))
    assert.strictEqual(reason(held), "Requested by operator")
  })

  it("keeps the reason a token has shown as requested when it is asked, drained or forced later [S1]", () => {
    const root = new TokenNode({ planned: true })
    const child = below(root)
    const held = heldBelow(root)
    root.requestUnsafe(by("operator"))
    child.requestUnsafe(by("child"))
    assert.strictEqual(reason(child), "Requested by operator")
    root.forceUnsafe(by("second signal"))
    assert.deepStrictEqual([root, held].map(reason), ["Requested by operator", "Requested by operator"])
  })

  it("follows whichever of its parents moves first [S1]", () => {
    const kind = new TokenNode()
    const parentTask = new TokenNode()
    const first = new TokenNode({ follows: [kind], heldBy: [parentTask] })
    const second = new TokenNode({ follows: [kind], heldBy: [parentTask] })
    second.forceUnsafe(by("itself"))
    parentTask.releaseUnsafe(by("parent's turn"))
    assert.strictEqual(reason(first), "Requested by parent's turn")
    kind.releaseUnsafe(by("own turn"))
    assert.strictEqual(reason(first), "Requested by parent's turn")
    assert.strictEqual(kind.descendantsUnsafe(), 1)
  })
})

describe("deadlines", () => {
  it.effect("is infinite while nobody asked, then the nearest of its own and its ancestors' [S3]", () =>
    Effect.gen(function* () {
      const root = yield* ShutdownToken.make
      const node = TokenTree.nodeOf(root)
      const child = below(node)
      assert.strictEqual(Duration.toMillis(yield* child.remaining), Number.POSITIVE_INFINITY)
      node.setDeadlineUnsafe(3_000_000_000n)
      assert.strictEqual(Duration.toMillis(yield* child.remaining), 3000)
      child.setDeadlineUnsafe(1_000_000_000n)
      assert.strictEqual(Duration.toMillis(yield* child.remaining), 1000)
      child.setDeadlineUnsafe(-5n)
      assert.strictEqual(Duration.toMillis(yield* child.remaining), 0)
      node.setDeadlineUnsafe(undefined)
      child.setDeadlineUnsafe(undefined)
      assert.strictEqual(Duration.toMillis(yield* child.remaining), Number.POSITIVE_INFINITY)
    })
  )

  it("refuses a token that was not made here [S1]", () => {
    const stranger = { phaseUnsafe: () => ({ _tag: "Running" }) } as unknown as TokenTree.Token
    assert.throws(() => TokenTree.nodeOf(stranger), /not made by @selvedge\/core/)
  })
})
