/**
 * `@selvedge/node`: signals, exit codes, the guard thread and workers around `@selvedge/core`. One namespace per concept.
 *
 * @since 0.1.0
 */
export * as SystemdNotify from "./admin/SystemdNotify.ts"
export * as DumpSocket from "./diagnostics/DumpSocket.ts"
export * as NodeWatchdog from "./diagnostics/NodeWatchdog.ts"
export * as NodeWatchdogError from "./diagnostics/NodeWatchdogError.ts"
export * as HttpStopAccepting from "./http/HttpStopAccepting.ts"
export * as KeepAlive from "./main/KeepAlive.ts"
export * as MappedMemory from "./memory/MappedMemory.ts"
export * as MappingError from "./memory/MappingError.ts"
export * as NodeGuard from "./main/NodeGuard.ts"
export * as NodeSignals from "./main/NodeSignals.ts"
export * as Selvedge from "./main/Selvedge.ts"
export * as ForkedBackend from "./workers/ForkedBackend.ts"
export * as HybridBackend from "./workers/HybridBackend.ts"
export * as ThreadedBackend from "./workers/ThreadedBackend.ts"
