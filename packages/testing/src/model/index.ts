/**
 * `@selvedge/testing/model`: a model checker for code over `SharedArrayBuffer`.
 * No dependencies; see `docs/testing.md`.
 */
export * from "./explore.ts"
export * from "./Model.ts"
export * from "./ModelError.ts"
export * from "./linearizable.ts"
export * from "./print.ts"
export * from "./threads.ts"
