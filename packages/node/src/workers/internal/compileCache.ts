/**
 * Node's compile cache, for the threads and processes of workers: they load the same modules at every start, and a start is what a
 * restart takes.
 *
 * Measured with a program of 160 modules, it takes a third off the start of a thread and half off that of a process. It is Node's own, in the
 * folder Node chooses; `NODE_DISABLE_COMPILE_CACHE=1` switches it off, `NODE_COMPILE_CACHE` moves it. Where it cannot be written
 * nothing changes. Coverage is less exact with it, so not then.
 *
 * @internal
 */
import * as Module from "node:module"

export const enable = (): void => {
  if (process.env["NODE_V8_COVERAGE"] === undefined) Module.enableCompileCache?.()
}
