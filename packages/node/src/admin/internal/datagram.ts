/**
 * Datagrams to a socket of the family AF_UNIX, which Node has not.
 *
 * **Invariants**
 *
 * 1. `send` never waits and raises no signal.
 * 2. There is one descriptor, no child inherits it, and `close` gives it back, once.
 * 3. Nothing is connected: a receiver that went away and came back under its name is found again.
 *
 * Source: unix(7), sendto(2).
 *
 * @internal
 */
import * as Native from "../../internal/native.ts"

const AF_UNIX = 1
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000

export interface Datagrams {
  /** Nothing if it was handed over; else the name of the error, such as `ENOENT`. */
  readonly send: (to: Uint8Array, message: Uint8Array) => string | undefined
  readonly close: () => void
}

/** Opens one. Never rejects. */
export const open = async (): Promise<Datagrams | Native.Shut> => {
  const library = await Native.open()
  if ("reason" in library) return library
  try {
    return overLibrary(library)
  } catch (error) {
    return { reason: "koffi", wanted: "a datagram socket", found: Native.firstLine(error) }
  }
}

const overLibrary = ({ c, codeOf, koffi }: Native.Library): Datagrams => {
  const sendto = c.func(
    "int64_t sendto(int fd, void *message, size_t bytes, int flags, void *address, uint32_t addressBytes)"
  )
  const closeFile = c.func("int close(int fd)")
  let fd = Number(c.func("int socket(int family, int type, int protocol)")(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  if (fd < 0) throw new Error(`socket: ${codeOf(koffi.errno())}`)
  return {
    send: (to, message) => {
      if (fd < 0) return "EBADF"
      const sent = Number(sendto(fd, message, message.length, MSG_DONTWAIT | MSG_NOSIGNAL, to, to.length))
      return sent < 0 ? codeOf(koffi.errno()) : undefined
    },
    close: () => {
      if (fd >= 0) closeFile(fd)
      fd = -1
    }
  }
}
