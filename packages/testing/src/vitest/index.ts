/**
 * `@selvedge/testing/vitest`: the `it` of `@effect/vitest`, with models.
 */
export * from "./ModelTest.ts"
