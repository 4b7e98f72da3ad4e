/**
 * Why a watchdog has no socket, or cannot be asked at one.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The watchdog cannot listen where it was told to.
 *
 * @category errors
 * @since 0.1.0
 */
export class SocketRefused extends Schema.TaggedError<SocketRefused>()("SocketRefused", {
  path: Schema.String,
  wanted: Schema.String,
  found: Schema.String
}) {
  override get message(): string {
    return `SELVEDGE_WATCHDOG_SOCKET (option watchdog.socket) ${this.path}: wanted ${this.wanted}, found ${this.found}`
  }
}

/**
 * Nobody answers at a socket.
 *
 * @category errors
 * @since 0.1.0
 */
export class SocketUnreachable extends Schema.TaggedError<SocketUnreachable>()("SocketUnreachable", {
  path: Schema.String,
  why: Schema.String
}) {
  override get message(): string {
    return `no dump from ${this.path}: ${this.why}`
  }
}
