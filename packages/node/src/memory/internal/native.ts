/**
 * What mapped memory needs of native code: eight functions of the C library.
 *
 * They are there on 64-bit Linux, where what they rely on was tried: pages mapped over a shared `WebAssembly.Memory`, locks of open
 * file descriptions (released by the kernel when their process dies, however it dies), and futexes. Anywhere else, or without
 * koffi, or where the kernel refuses to map, it says so before a file is touched.
 *
 * Nothing here is called by a thread that has no mapped memory.
 *
 * **Units**: addresses are numbers; those of user space have at most 48 bits.
 *
 * @internal
 */
import type { LibraryHandle } from "koffi"
import * as fs from "node:fs"
import * as Native from "../../internal/native.ts"
import { NativeError, pages, WASM_PAGE_BYTES } from "./pages.ts"

/** What one may do with a lock. */
export interface Locks {
  /** Takes the lock of one byte of a file for this open file; `false` if another one has it. */
  readonly take: (fd: number, byte: number) => boolean
  /** Gives it back. */
  readonly give: (fd: number, byte: number) => void
  /** Whether another open file has it. */
  readonly isTaken: (fd: number, byte: number) => boolean
}

export interface Door {
  /** The address of a buffer's first byte. */
  readonly addressOf: (memory: SharedArrayBuffer) => number
  /** Puts a file's pages in the place of those at an address. Throws `NativeError`. */
  readonly mapOver: (address: number, bytes: number, fd: number) => void
  /** Puts empty private pages in the place of those at an address. Throws `NativeError`. */
  readonly putBack: (address: number, bytes: number) => void
  /** Gives a file its size, with blocks behind all of it. Throws `NativeError`: a full disk, for one. */
  readonly reserve: (fd: number, bytes: number) => void
  /** A file without a name, of a size that nobody can change, with memory behind all of it. Throws `NativeError`. */
  readonly nameless: (label: string, bytes: number) => number
  readonly locks: Locks
  /** Sleeps until the word is woken, has another value already, or the time is over. Blocks the thread; no libuv pool. */
  readonly sleepOn: (address: number, value: number, millis: number) => void
  /** Wakes everybody, in all processes, who sleeps on a word. */
  readonly wake: (address: number) => void
}

const PROT_READ_WRITE = 3
const MAP_SHARED_FIXED = 0x01 | 0x10
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x02 | 0x10 | 0x20
const F_OFD_GETLK = 36
const F_OFD_SETLK = 37
const F_ADD_SEALS = 1033
const F_SEAL_SEAL_SHRINK_GROW = 0x01 | 0x02 | 0x04
const MFD_CLOEXEC_ALLOW_SEALING = 0x01 | 0x02
const F_WRLCK = 1
const F_UNLCK = 2
const FUTEX_WAIT = 0
const FUTEX_WAKE = 1
const SC_PAGESIZE = 30
/** Bytes. */
const RESERVED_AT_ONCE = 8 * 2 ** 20
const EVERYBODY = 2 ** 31 - 1

/** Numbers of the system call `futex`. */
const FUTEX_CALL: Readonly<Record<string, number>> = { x64: 202, arm64: 98 }

/** Why the door does not open. */
export interface Shut {
  readonly reason: "platform" | "koffi" | "refused"
  readonly wanted: string
  readonly found: string
}

/** Opens the door for this thread. Never rejects. */
export const open = async (): Promise<Door | Shut> => {
  const library = await Native.open()
  if ("reason" in library) return library
  try {
    const door = doorOf(library)
    return tryOut(door) ?? door
  } catch (error) {
    return { reason: "koffi", wanted: "the C library as koffi sees it", found: Native.firstLine(error) }
  }
}

/** Maps a page over a page and takes it back, before anything depends on it. */
const tryOut = (door: Door): Shut | undefined => {
  try {
    const page = pages(WASM_PAGE_BYTES)
    const address = door.addressOf(page)
    door.putBack(address, WASM_PAGE_BYTES)
    new Int32Array(page)[0] = 1
    door.sleepOn(address, 0, 0)
    return undefined
  } catch (error) {
    return { reason: "refused", wanted: "pages mapped over a WebAssembly.Memory", found: Native.firstLine(error) }
  }
}

/**
 * Reserves in short steps. A signal may end one of them, and then undoes what it has done so far; that one is made again. Answers 0, or
 * the error.
 */
export const inSteps = (
  bytes: number,
  step: (from: number, length: number) => number,
  interrupted: number | undefined
): number => {
  for (let from = 0; from < bytes;) {
    const length = Math.min(RESERVED_AT_ONCE, bytes - from)
    const errno = step(from, length)
    if (errno === 0) from += length
    else if (errno !== interrupted) return errno
  }
  return 0
}

const doorOf = ({ c, codeOf, koffi }: Native.Library): Door => {
  const failed = (call: string, errno = koffi.errno()): never => {
    throw new NativeError(call, codeOf(errno))
  }
  const pageBytes = Number(c.func("long sysconf(int name)")(SC_PAGESIZE))
  if (WASM_PAGE_BYTES % pageBytes !== 0) failed(`a page of ${pageBytes} bytes`, 22)
  const mmap = c.func("intptr_t mmap(uintptr_t at, size_t bytes, int prot, int flags, int fd, int64_t offset)")
  const map = (at: number, bytes: number, flags: number, fd: number): void => {
    if (Number(mmap(at, bytes, PROT_READ_WRITE, flags, fd, 0)) !== at) failed("mmap")
  }
  const fallocate = c.func("int posix_fallocate(int fd, int64_t from, int64_t bytes)")
  const reserve = (fd: number, bytes: number): void => {
    // Answers the error instead of setting errno.
    const step = (from: number, length: number): number => Number(fallocate(fd, from, length))
    const errno = inSteps(bytes, step, koffi.os.errno["EINTR"])
    if (errno !== 0) failed("posix_fallocate", errno)
  }
  return {
    addressOf: (memory) => Number(koffi.address(memory)),
    mapOver: (address, bytes, fd) => map(address, bytes, MAP_SHARED_FIXED, fd),
    putBack: (address, bytes) => map(address, bytes, MAP_PRIVATE_FIXED_ANONYMOUS, -1),
    reserve,
    nameless: (label, bytes) => {
      // Looked up here: a library that has not got it has all the rest.
      const fd = Number(
        c.func("int memfd_create(const char *name, unsigned int flags)")(label, MFD_CLOEXEC_ALLOW_SEALING)
      )
      if (fd < 0) failed("memfd_create")
      try {
        reserve(fd, bytes)
        const seal = c.func("int fcntl(int fd, int command, ...)")
        if (Number(seal(fd, F_ADD_SEALS, "int", F_SEAL_SEAL_SHRINK_GROW)) !== 0) failed("fcntl(F_ADD_SEALS)")
        return fd
      } catch (error) {
        fs.closeSync(fd)
        throw error
      }
    },
    locks: locksOf(c, koffi.os.errno, () => koffi.errno(), failed),
    ...futexOf(c, FUTEX_CALL[process.arch]!)
  }
}

/** `struct flock` of 64-bit Linux: type, whence (16 bits each), start and length at 8 and 16, a process at 24. */
const FLOCK_BYTES = 32

const locksOf = (
  c: LibraryHandle,
  codes: Readonly<Record<string, number>>,
  errno: () => number,
  failed: (call: string) => never
): Locks => {
  const fcntl = c.func("int fcntl(int fd, int command, ...)")
  const asked = new DataView(new ArrayBuffer(FLOCK_BYTES))
  const ask = (fd: number, command: number, type: number, byte: number): number => {
    asked.setInt16(0, type, true)
    asked.setBigInt64(8, BigInt(byte), true)
    asked.setBigInt64(16, 1n, true)
    asked.setInt32(24, 0, true)
    return Number(fcntl(fd, command, "void *", asked.buffer))
  }
  return {
    take: (fd, byte) => {
      if (ask(fd, F_OFD_SETLK, F_WRLCK, byte) === 0) return true
      const code = errno()
      return code === codes["EAGAIN"] || code === codes["EACCES"] ? false : failed("fcntl(F_OFD_SETLK)")
    },
    give: (fd, byte) => {
      if (ask(fd, F_OFD_SETLK, F_UNLCK, byte) !== 0) failed("fcntl(F_OFD_SETLK)")
    },
    isTaken: (fd, byte) => {
      if (ask(fd, F_OFD_GETLK, F_WRLCK, byte) !== 0) failed("fcntl(F_OFD_GETLK)")
      return asked.getInt16(0, true) !== F_UNLCK
    }
  }
}

const futexOf = (c: LibraryHandle, number: number): Pick<Door, "sleepOn" | "wake"> => {
  const signature = "int64_t at, int64_t op, int64_t value, void *timeout, int64_t second, int64_t third"
  const syscall = c.func(`int64_t syscall(int64_t number, ${signature})`)
  const time = new BigInt64Array(2)
  return {
    // Not the private form: the word is one of a file that several processes map.
    sleepOn: (address, value, millis) => {
      time[0] = BigInt(Math.floor(millis / 1000))
      time[1] = BigInt(Math.floor((millis % 1000) * 1e6))
      syscall(number, address, FUTEX_WAIT, value, time, 0, 0)
    },
    wake: (address) => {
      syscall(number, address, FUTEX_WAKE, EVERYBODY, null, 0, 0)
    }
  }
}
