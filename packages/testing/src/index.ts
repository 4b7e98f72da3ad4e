/**
 * Tools for testing services: virtual time, faults, fiber orders, signals, leaks.
 *
 * These need `effect`, and `TestSignals` and `LeakCheck` also `@selvedge/core`.
 * The model checker needs neither and has an entry of its own:
 * `@selvedge/testing/model`.
 *
 * @since 0.1.0
 */
export * as TestTime from "./time/TestTime.ts"
export * as FiberExplorer from "./scheduler/FiberExplorer.ts"
export * as SeededScheduler from "./scheduler/SeededScheduler.ts"
