/**
 * Names for the finalizers of a layer that was not written with us in mind.
 *
 * While the layer is built, a memo map of our own sees every layer in it: its scope, and the service keys it provided.
 * Just before the scope closes, every finalizer in those scopes is wrapped, so that it is known which of them has begun
 * and not ended, and which of them died.
 *
 * A finalizer is named by the service keys of its layer; a layer without services by the span it was built in; else by
 * its place in the order of building.
 *
 * **Invariants**
 *
 * 1. Building through the tracker gives what building without it gives: same order, same sharing, same errors.
 * 2. Of nested layers only the innermost that is still closing is named.
 * 3. A defect is told once, however many scopes it passes through.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

interface Built {
  watched: boolean
  readonly order: number
  readonly parent: Built | undefined
  readonly scope: Scope.Scope
  readonly span: string | undefined
  keys: ReadonlyArray<string>
  /** Finalizers that have begun and not ended, by what they are. */
  readonly running: Set<string>
}

type Finalizer = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown>

const CurrentBuild = Context.Reference<Built | undefined>("@selvedge/core/internal/CurrentBuild", {
  defaultValue: () => undefined
})

export interface Died {
  readonly name: string
  readonly cause: Cause.Cause<unknown>
}

export class FinalizerTracker {
  private readonly built: Array<Built> = []
  private readonly toldDefects = new Set<unknown>()
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
    return Layer.buildWithMemoMap(layer, memoMap, scope)
  }

  /**
   * Wraps every finalizer in the scopes of the layer, just before closing. A build that fails closes its scopes by
   * itself, so it is also called then.
   */
  watch(): void {
    for (const one of this.built) {
      if (one.watched) continue
      one.watched = true
      const state = one.scope.state as {
        _tag: string
        finalizer?: Finalizer | undefined
        finalizerKey?: unknown
        finalizers?: Map<unknown, Finalizer> | undefined
      }
      if (state._tag !== "Open") continue
      if (state.finalizer !== undefined) state.finalizer = this.wrap(one, state.finalizerKey, state.finalizer)
      else state.finalizers?.forEach((run, key, all) => all.set(key, this.wrap(one, key, run)))
    }
  }

  /** What is still closing, innermost layers only. */
  running(): ReadonlyArray<string> {
    const busy = this.built.filter((one) => one.running.size > 0)
    const around = new Set<Built>()
    for (const one of busy) for (let up = one.parent; up !== undefined; up = up.parent) around.add(up)
    return busy
      .filter((one) => !around.has(one))
      .map((one) => {
        const parts = Array.from(one.running).filter((part) => part !== "")
        return parts.length === 0 ? this.nameOf(one) : `${this.nameOf(one)} (${parts.join(", ")})`
      })
  }

  private note<A, E, R>(
    scope: Scope.Scope,
    build: Effect.Effect<Context.Context<A>, E, R>
  ): Effect.Effect<Context.Context<A>, E, R> {
    return Effect.withFiber((fiber) => {
      const one: Built = {
        order: this.built.length,
        parent: fiber.getRef(CurrentBuild),
        scope,
        span: fiber.cache.span?._tag === "Span" ? fiber.cache.span.name : undefined,
        keys: [],
        running: new Set(),
        watched: false
      }
      this.built.push(one)
      return Effect.onExit(Effect.provideService(build, CurrentBuild, one), (exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) one.keys = Array.from(exit.value.mapUnsafe.keys())
          else this.watch()
        })
      )
    })
  }

  private wrap(one: Built, key: unknown, run: Finalizer): Finalizer {
    // `forkScoped` registers under the fiber itself: that is worth telling.
    const part = isFiber(key) ? `fiber #${key.id}` : ""
    return (exit) =>
      Effect.suspend(() => {
        one.running.add(part)
        return Effect.onExit(run(exit), (ended) =>
          Effect.sync(() => {
            one.running.delete(part)
            if (Exit.isFailure(ended)) this.noteDeath(one, ended.cause)
          })
        )
      })
  }

  private noteDeath(one: Built, cause: Cause.Cause<unknown>): void {
    const fresh = cause.reasons.filter((reason) => {
      if (reason._tag === "Interrupt") return false
      const what = reason._tag === "Die" ? reason.defect : reason.error
      if (this.toldDefects.has(what)) return false
      this.toldDefects.add(what)
      return true
    })
    if (fresh.length > 0) this.died.push({ name: this.nameOf(one), cause: Cause.fromReasons(fresh) })
  }

  private nameOf(one: Built): string {
    if (one.keys.length > 0) return one.keys.join(" + ")
    if (one.span !== undefined) return `span ${one.span}`
    const before = this.built.findLast((other) => other.order < one.order && other.keys.length > 0)
    const place = `unnamed layer, number ${one.order + 1} of ${this.built.length} in the order of building`
    return before === undefined ? place : `${place}, after ${before.keys.join(" + ")}`
  }
}

const isFiber = (key: unknown): key is { readonly id: number } =>
  typeof key === "object" && key !== null && "interruptUnsafe" in key && "id" in key
