/**
 * `@selvedge/core`: structured tasks and a shutdown that always ends. One namespace per concept.
 *
 * @since 0.1.0
 */
export * as Setting from "./config/Setting.ts"
export * as ShutdownPlan from "./shutdown/ShutdownPlan.ts"
export * as ShutdownReason from "./shutdown/ShutdownReason.ts"
export * as ShutdownToken from "./shutdown/ShutdownToken.ts"
export * as Straggler from "./shutdown/Straggler.ts"
export * as TokenTree from "./shutdown/TokenTree.ts"
export * as RestartIntensity from "./tasks/RestartIntensity.ts"
export * as Task from "./tasks/Task.ts"
export * as TaskKind from "./tasks/TaskKind.ts"
export * as TaskRegistry from "./tasks/TaskRegistry.ts"
export * as TaskRegistryError from "./tasks/TaskRegistryError.ts"
export * as ExitCode from "./service/ExitCode.ts"
export * as Guard from "./service/Guard.ts"
export * as Signals from "./service/Signals.ts"
export * as Lifecycle from "./service/Lifecycle.ts"
export * as Main from "./service/Main.ts"
export * as ShutdownReport from "./shutdown/ShutdownReport.ts"
