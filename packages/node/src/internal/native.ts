/**
 * The only door to native code: the C library, opened through koffi.
 *
 * It opens on 64-bit Linux; anywhere else, or without koffi, it says why not. koffi is loaded once for each thread, and by
 * nobody who does not ask. Who is behind the door: mapped memory (`memory/internal/native.ts`) and the datagrams to a
 * service manager (`admin/internal/datagram.ts`).
 *
 * @internal
 */
import type { LibraryHandle } from "koffi"

export type Koffi = (typeof import("koffi"))["default"]

/** Why the door does not open. */
export interface Shut {
  readonly reason: "platform" | "koffi"
  readonly wanted: string
  readonly found: string
}

export interface Library {
  readonly koffi: Koffi
  /** The C library of this process. */
  readonly c: LibraryHandle
  /** The name of an error, such as `EAGAIN`. */
  readonly codeOf: (errno: number) => string
}

/** Opens it for this thread. Never rejects. */
export const open = async (): Promise<Library | Shut> => {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) {
    return { reason: "platform", wanted: "linux on x64 or arm64", found: `${process.platform} on ${process.arch}` }
  }
  try {
    const { default: koffi } = await import("koffi")
    const names = Object.entries(koffi.os.errno)
    const codeOf = (errno: number): string => names.find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`
    return { koffi, c: koffi.load(null), codeOf }
  } catch (error) {
    return { reason: "koffi", wanted: "the package koffi with its prebuilt binary", found: firstLine(error) }
  }
}

export const firstLine = (error: unknown): string =>
  String(error instanceof Error ? error.message : error).split("\n")[0] ?? ""
