/**
 * Names for the finalizers of a layer that was not written with us in mind.
 *
 * While the layer is built, a memo map of our own sees every layer in it: its scope, and the service keys it provided.
 * Just before a scope closes, every finalizer in those scopes is wrapped, so that it is known which of them has begun
 * and not ended, and which of them died.
 *
 * A finalizer is named by the service keys of its layer; without services by the span it was acquired in, or the layer
 * was built in; else by its place in the order of building.
 *
 * **Invariants**
 *
 * 1. Building through the tracker gives what building without it gives: same order, same sharing, same errors.
 * 2. Of scopes that close inside one another only the innermost is named.
 * 3. A defect is told once, however many scopes it passes through.
 *
 * **Limits**
 *
 * A layer made `Layer.fresh` is built with a memo map of Effect's own, so it is seen only as a part of the layer around
 * it, and has that layer's name.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"

interface Built {
  readonly order: number
  readonly scope: Scope.Scope
  readonly span: string | undefined
  keys: ReadonlyArray<string>
  /** How many builds had begun when this one was done. */
  done: number
}

/** A finalizer that has begun and not ended. */
interface Closing {
  readonly built: Built
  /** What it is, where its key says so; else empty. */
  readonly part: string
  /** Runs it; while it hangs, its context is that of the finalizer. */
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** When it began, on the monotonic clock. */
  readonly sinceNanos: bigint
  /** The finalizer it runs inside of. */
  readonly around: Closing | undefined
}

/** A failed build is given this long at least. */
const LEAST_GRACE = 100_000_000n

type Finalizer = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown>

/** The finalizer that the current fiber is in. */
const CurrentClosing = Context.Reference<Closing | undefined>("@selvedge/core/internal/CurrentClosing", {
  defaultValue: () => undefined
})

export interface Died {
  readonly name: string
  readonly cause: Cause.Cause<unknown>
}

export class FinalizerTracker {
  private readonly built: Array<Built> = []
  private readonly closing = new Set<Closing>()
  private readonly wrapped = new WeakSet<Finalizer>()
  private readonly toldDefects = new Set<unknown>()
  /** The span around the whole build says nothing about a layer. */
  private outerSpan: string | undefined = undefined
  /** Something has begun to close: layers that are only now done are watched too. */
  private watching = false
  private readonly broken = Deferred.makeUnsafe<void>()
  /** Why the build failed, as far as is known: a layer may stand in for one that failed. */
  private failure: Cause.Cause<unknown> | undefined = undefined
  readonly died: Array<Died> = []

  /** Builds a layer in a scope, taking notes. */
  build<A, E, R>(layer: Layer.Layer<A, E, R>, scope: Scope.Scope): Effect.Effect<Context.Context<A>, E, R> {
    const inner = Layer.makeMemoMapUnsafe()
    const note = this.note.bind(this)
    // Inherits everything; nested layers are built through it too, because a memo map passes itself on as `this`.
    const memoMap: Layer.MemoMap = Object.create(inner, {
      getOrElseMemoize: {
        value(
          this: Layer.MemoMap,
          self: Layer.Layer<unknown, unknown, unknown>,
          outer: Scope.Scope,
          build: (
            memoMap: Layer.MemoMap,
            scope: Scope.Scope
          ) => Effect.Effect<Context.Context<unknown>, unknown, unknown>
        ) {
          return inner.getOrElseMemoize.call(this, self, outer, (map, own) => note(own, build(map, own)))
        }
      }
    })
    return Effect.withFiber((fiber) => {
      this.outerSpan = spanOf(fiber)
      return note(scope, Layer.buildWithMemoMap(layer, memoMap, scope))
    })
  }

  /**
   * Wraps every finalizer in the scopes of the layer, just before closing. A build that fails closes its scopes by
   * itself, so it is also called then.
   */
  watch(): void {
    this.watching = true
    for (const one of this.built) this.watchOne(one)
  }

  private watchOne(one: Built): void {
    const state = one.scope.state as {
      _tag: string
      finalizer?: Finalizer | undefined
      finalizerKey?: unknown
      finalizers?: Map<unknown, Finalizer> | undefined
    }
    if (state._tag !== "Open") return
    if (state.finalizer !== undefined) state.finalizer = this.wrap(one, state.finalizerKey, state.finalizer)
    else state.finalizers?.forEach((run, key, all) => all.set(key, this.wrap(one, key, run)))
  }

  /**
   * Waits until a build has failed and one of its finalizers has been running for a while; gives the failure. Such a
   * build does not end by itself, and nobody has asked it to.
   */
  hangs(graceNanos: bigint): Effect.Effect<Cause.Cause<unknown>> {
    const grace = graceNanos > LEAST_GRACE ? graceNanos : LEAST_GRACE
    const look: Effect.Effect<Cause.Cause<unknown>> = Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
      for (const one of this.closing) {
        if (now - one.sinceNanos >= grace && this.failure !== undefined) return Effect.succeed(this.failure)
      }
      return Effect.delay(look, Duration.nanos(grace))
    })
    return Effect.andThen(Deferred.await(this.broken), look)
  }

  /** Why a build that does not end has failed; nothing if it was only interrupted, or has not failed. */
  brokenBy(): Cause.Cause<unknown> | undefined {
    const { failure } = this
    return failure === undefined || Cause.hasInterruptsOnly(failure) ? undefined : this.untold(failure)
  }

  /** What is still closing, innermost only. */
  running(): ReadonlyArray<string> {
    const around = new Set<Closing>()
    for (const one of this.closing) for (let up = one.around; up !== undefined; up = up.around) around.add(up)
    const names = new Map<string, Array<string>>()
    for (const one of this.closing) {
      if (around.has(one)) continue
      const name = this.nameOf(one.built, spanOf(one.fiber))
      names.set(name, [...(names.get(name) ?? []), ...(one.part === "" ? [] : [one.part])])
    }
    return Array.from(names, ([name, parts]) => (parts.length === 0 ? name : `${name} (${parts.join(", ")})`))
  }

  /** A cause without the defects of finalizers that are told by themselves; all of it if nothing else is in it. */
  untold(cause: Cause.Cause<unknown>): Cause.Cause<unknown> {
    const rest = cause.reasons.filter((reason) => reason._tag !== "Die" || !this.toldDefects.has(reason.defect))
    return rest.length === 0 ? cause : Cause.fromReasons(rest)
  }

  private note<A, E, R>(
    scope: Scope.Scope,
    build: Effect.Effect<Context.Context<A>, E, R>
  ): Effect.Effect<Context.Context<A>, E, R> {
    return Effect.withFiber((fiber) => {
      const one: Built = {
        order: this.built.length,
        scope,
        span: this.ownSpan(spanOf(fiber)),
        keys: [],
        done: Infinity
      }
      this.built.push(one)
      return Effect.onExit(build, (exit) =>
        Effect.sync(() => {
          if (Exit.isFailure(exit)) return this.noteBroken(exit.cause)
          one.done = this.built.length
          one.keys = Array.from(exit.value.mapUnsafe.keys()).filter((key) => !plumbing.has(key))
          if (this.watching) this.watchOne(one)
        })
      )
    })
  }

  private noteBroken(cause: Cause.Cause<unknown>): void {
    if (this.closing.size === 0) this.failure = cause
    this.watch()
    Deferred.doneUnsafe(this.broken, Exit.void)
  }

  private wrap(built: Built, key: unknown, run: Finalizer): Finalizer {
    if (this.wrapped.has(run)) return run
    // `forkScoped` registers under the fiber itself: that is worth telling.
    const part = isFiber(key) ? `fiber #${key.id}` : ""
    const wrapped: Finalizer = (exit) =>
      Effect.withFiber((fiber) => {
        const sinceNanos = fiber.getRef(Clock.Clock).monotonicTimeNanosUnsafe()
        const one: Closing = { built, part, fiber, sinceNanos, around: fiber.getRef(CurrentClosing) }
        this.closing.add(one)
        const inside = Effect.provideService(
          Effect.suspend(() => run(exit)),
          CurrentClosing,
          one
        )
        return Effect.onExit(inside, (ended) =>
          Effect.sync(() => {
            this.closing.delete(one)
            if (Exit.isFailure(ended)) this.noteDeath(built, ended.cause)
          })
        )
      })
    this.wrapped.add(wrapped)
    return wrapped
  }

  private noteDeath(built: Built, cause: Cause.Cause<unknown>): void {
    const fresh = cause.reasons.filter((reason) => {
      if (reason._tag === "Interrupt") return false
      const what = reason._tag === "Die" ? reason.defect : reason.error
      if (this.toldDefects.has(what)) return false
      this.toldDefects.add(what)
      return true
    })
    if (fresh.length > 0) this.died.push({ name: this.nameOf(built, undefined), cause: Cause.fromReasons(fresh) })
  }

  private ownSpan(span: string | undefined): string | undefined {
    return span === this.outerSpan ? undefined : span
  }

  private nameOf(one: Built, spanNow: string | undefined): string {
    if (one.keys.length > 0) return one.keys.join(" + ")
    const span = this.ownSpan(spanNow) ?? one.span
    if (span !== undefined) return `span ${span}`
    const before = this.built.findLast((other) => other.done <= one.order && other.keys.length > 0)
    const place = `unnamed layer, number ${one.order} of ${this.built.length - 1} in the order of building`
    return before === undefined ? place : `${place}, after ${before.keys.join(" + ")}`
  }
}

/** What Effect's own combinators leave in a context (a span, a layer made by an effect) is no service of the layer. */
const plumbing: ReadonlySet<string> = new Set([
  Tracer.ParentSpan.key,
  References.CurrentStackFrame.key,
  "effect/Layer/unwrap"
])

const spanOf = (fiber: Fiber.Fiber<unknown, unknown>): string | undefined =>
  fiber.cache.span?._tag === "Span" ? fiber.cache.span.name : undefined

const isFiber = (key: unknown): key is { readonly id: number } =>
  typeof key === "object" && key !== null && "interruptUnsafe" in key && "id" in key
