/**
 * A seed and the draws made from it.
 *
 * A seed is a whole number in `0 … 2^32 - 1`. Two kinds of draws come from it: a
 * _stream_ (each draw depends on how many went before) for a scheduler, whose
 * decisions are one sequence anyway; and a _keyed_ draw (depends only on seed,
 * name and count) for fault points, so that a new fault point, or another order
 * of the fibers, leaves the draws of the other points alone.
 *
 * Neither is fit for anything but tests.
 *
 * Source: the stream is the published 32-bit generator "mulberry32"; the keyed
 * draw is the FNV-1a hash closed by the finalizer of MurmurHash3.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { checkInteger, type InvalidOption } from "./InvalidOption.ts"

/**
 * The largest seed.
 *
 * @category models
 * @since 0.1.0
 */
export const MAX_SEED = 0xffff_ffff

/**
 * The error for a value that is no seed, or `undefined` when it is one.
 *
 * @category operations
 * @since 0.1.0
 */
export const check = (tool: string, value: unknown): InvalidOption | undefined =>
  checkInteger(tool, "seed", value, { minimum: 0, maximum: MAX_SEED })

/**
 * A seed from the environment, if the variable is set. A value that is no seed is a
 * `ConfigError` that names the variable.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromVariable = (variable: string): Config.Config<Option.Option<number>> =>
  Config.option(Config.schema(SeedSchema, variable))

const SeedSchema = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: MAX_SEED }))

/**
 * A stream of draws in `[0, 1)`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/**
 * A stream of whole numbers, each from 0 to below the bound it is asked with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const integers = (seed: number): ((below: number) => number) => {
  const next = stream(seed)
  return (below) => Math.floor(next() * below)
}

/**
 * The draw in `[0, 1)` that belongs to the `count`-th use of a name.
 *
 * @category operations
 * @since 0.1.0
 */
export const keyed = (seed: number, name: string, count: number): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  hash = mix(hash ^ Math.imul(seed, 0x9e3779b1))
  return mix(hash + Math.imul(count + 1, 0x85ebca77)) / 4294967296
}

/** Spreads every bit of the input over every bit of the output. */
const mix = (value: number): number => {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
