/**
 * Tools for testing services: virtual time, faults, fiber orders, signals, leaks.
 *
 * All of these need `effect`. `TestSignals`, `LeakCheck` and `TestTasks` find the
 * services of `@selvedge/core` by their keys and need it for their types. The model
 * checker needs neither and has an entry of its own: `@selvedge/testing/model`. What runs code of `@selvedge/core` is
 * imported by its path: `@selvedge/testing/workers/TestContainer`, `@selvedge/testing/contracts/BackendContract`.
 *
 * @since 0.1.0
 */
export * as FaultCampaign from "./faults/FaultCampaign.ts"
export * as FaultReport from "./faults/FaultReport.ts"
export * as Faults from "./faults/Faults.ts"
export * as FiberExplorer from "./scheduler/FiberExplorer.ts"
export * as InvalidOption from "./faults/InvalidOption.ts"
export * as LeakCheck from "./leaks/LeakCheck.ts"
export * as LiveFibers from "./leaks/LiveFibers.ts"
export * as Seed from "./faults/Seed.ts"
export * as SeededScheduler from "./scheduler/SeededScheduler.ts"
export * as TestSignals from "./signals/TestSignals.ts"
export * as TestTasks from "./leaks/TestTasks.ts"
export * as TestTime from "./time/TestTime.ts"
export * as TestTimeError from "./time/TestTimeError.ts"
