/**
 * How a process ends that may still have native code running: for the main program, and for the main program of a worker's process.
 *
 * @since 0.1.0
 */
import * as LeaveProcess from "./internal/leaveProcess.ts"

/**
 * Ends the process with a code, `exit` handlers included, and waits for no native code. The last thing to call: what is still in
 * the air, such as a last line on a pipe, gets 20 ms.
 *
 * @category operations
 * @since 0.1.0
 */
export const leaveProcess: (exitCode: number) => void = LeaveProcess.leaveProcess
