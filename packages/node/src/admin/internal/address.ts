/**
 * Where a service manager listens: `NOTIFY_SOCKET`, as the kernel wants it.
 *
 * **Layout** of `struct sockaddr_un`: the family in 2 bytes, then up to 108 bytes of name. A path ends in 0, which is counted; an
 * abstract name (written with a leading `@`) begins with 0, and its length alone says where it ends.
 *
 * Source: unix(7), sd_notify(3).
 *
 * @internal
 */
import { endianness } from "node:os"

const AF_UNIX = 1
const MOST_BYTES = 107

export interface Address {
  readonly _tag: "Address"
  /** As it was written; in quotes if that is more than plain characters, so that no line for people is broken by it. */
  readonly text: string
  readonly bytes: Uint8Array
}

export interface Malformed {
  readonly _tag: "Malformed"
  readonly wanted: string
  readonly found: string
}

const malformed = (wanted: string, found: string): Malformed => ({ _tag: "Malformed", wanted, found })

export const parse = (text: string): Address | Malformed => {
  const shown = JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text)
  if (!text.startsWith("/") && !text.startsWith("@")) {
    return malformed("an absolute path, or @name of an abstract socket", shown)
  }
  const name = new TextEncoder().encode(text)
  if (name.length < 2) return malformed("a name after the first character", shown)
  if (name.length > MOST_BYTES) return malformed(`at most ${MOST_BYTES} bytes`, `${name.length} bytes, ${shown}`)
  if (name.includes(0)) return malformed("a name without a byte 0", shown)
  const isPath = text.startsWith("/")
  const bytes = new Uint8Array(2 + name.length + (isPath ? 1 : 0))
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, endianness() === "LE")
  bytes.set(name, 2)
  if (!isPath) bytes[2] = 0
  return { _tag: "Address", text: /^[\x21-\x7e]+$/.test(text) ? text : JSON.stringify(text), bytes }
}
