/**
 * Asks a running program for a dump, at its watchdog's socket: also while its event loop is blocked.
 *
 * ```sh
 * nc -U /run/user/1000/selvedge-1000/gateway-4711.sock        # the same by hand: text, after 200 ms
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { connect } from "node:net"
import { SocketUnreachable } from "./NodeWatchdogError.ts"

const ANSWER_MILLIS = 5000

/**
 * The dump, as text or as one line of JSON (`DumpSchema.DumpJson`).
 *
 * **Errors**
 *
 * - `SocketUnreachable`: nobody listens there, or no answer came within 5 seconds.
 *
 * @category operations
 * @since 0.1.0
 */
export const request = (path: string, format: "text" | "json" = "text"): Effect.Effect<string, SocketUnreachable> =>
  Effect.callback<string, SocketUnreachable>((resume) => {
    const fail = (why: string): void => resume(Effect.fail(new SocketUnreachable({ path, why })))
    let received = ""
    const socket = connect(path, () => void socket.write(`${format}\n`))
    socket.setEncoding("utf8").setTimeout(ANSWER_MILLIS, () => {
      socket.destroy()
      fail(`no answer within ${ANSWER_MILLIS / 1000} seconds`)
    })
    socket.on("data", (chunk: string) => void (received += chunk))
    socket.on("error", (error) => fail(error.message))
    socket.on("end", () => {
      if (received === "") fail("it was closed without an answer")
      else resume(Effect.succeed(received))
    })
    return Effect.sync(() => void socket.destroy())
  })
