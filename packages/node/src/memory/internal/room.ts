/**
 * How much memory this process may still take, as its control groups say.
 *
 * The kernel does not refuse memory to a group that has no more of it: it kills one of its processes. So a region that cannot fit is
 * refused before its file is made. What fits by this count may be too much all the same, for others take memory meanwhile.
 *
 * | version | this process's group               | limit                   | in use                  | could be given up (`memory.stat`)           |
 * | ------- | ---------------------------------- | ----------------------- | ----------------------- | ------------------------------------------- |
 * | 2       | `0::/…` of `/proc/self/cgroup`     | `memory.max`            | `memory.current`        | `active_file`, `inactive_file`, `slab_reclaimable` |
 * | 1       | `<n>:memory:/…`                    | `memory.limit_in_bytes` | `memory.usage_in_bytes` | `total_active_file`, `total_inactive_file`  |
 *
 * Free swap counts as room. Groups of which one of these files cannot be seen limit nothing.
 *
 * **Units**: bytes.
 *
 * Source: the kernel's documentation of cgroups, versions 1 and 2.
 *
 * @internal
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** A group that has less room than others around it. */
export interface Room {
  readonly bytes: number
  readonly limit: number
  readonly group: string
}

/** The text of a file, if it can be read. */
export type Read = (file: string) => string | undefined

interface Version {
  /** Where such groups are mounted, as everybody does. */
  readonly mounts: ReadonlyArray<string>
  readonly line: RegExp
  readonly limit: string
  readonly used: string
  readonly givenUp: ReadonlyArray<string>
}

const VERSIONS: ReadonlyArray<Version> = [
  {
    mounts: ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"],
    line: /^0::(\/.*)$/m,
    limit: "memory.max",
    used: "memory.current",
    givenUp: ["active_file", "inactive_file", "slab_reclaimable"]
  },
  {
    mounts: ["/sys/fs/cgroup/memory"],
    line: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/m,
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    givenUp: ["total_active_file", "total_inactive_file"]
  }
]

const readFile: Read = (file) => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

/** `undefined` if nobody says that there is a limit. */
export const roomLeft = (read: Read = readFile): Room | undefined => {
  const groups = read("/proc/self/cgroup") ?? ""
  const rooms = VERSIONS.flatMap((version) => {
    const [, own] = version.line.exec(groups) ?? []
    return own === undefined ? [] : version.mounts.flatMap((mount) => roomsFrom(read, version, mount, own))
  })
  return rooms.reduce<Room | undefined>(
    (least, room) => (least === undefined || room.bytes < least.bytes ? room : least),
    undefined
  )
}

/** Of a group and those around it. */
const roomsFrom = (read: Read, version: Version, mount: string, own: string): ReadonlyArray<Room> => {
  const rooms: Array<Room> = []
  for (let group = own; ; group = path.dirname(group)) {
    const room = roomOf(read, version, path.join(mount, group))
    if (room !== undefined) rooms.push({ ...room, group })
    if (group === "/" || group === ".") return rooms
  }
}

const roomOf = (read: Read, version: Version, folder: string): Omit<Room, "group"> | undefined => {
  const numberIn = (name: string): number => Number.parseInt(read(path.join(folder, name)) ?? "", 10)
  // "max", in version 2: there is none.
  const [limit, used] = [numberIn(version.limit), numberIn(version.used)]
  if (Number.isNaN(limit) || Number.isNaN(used)) return undefined
  const stat = read(path.join(folder, "memory.stat"))
  // What is in use may all be files that the kernel gives up.
  if (stat === undefined) return undefined
  const givenUp = version.givenUp.reduce((sum, name) => sum + fieldOf(stat, name), 0)
  const swap = fieldOf(read("/proc/meminfo"), "SwapFree:") * 1024
  return { bytes: Math.max(0, limit - used + givenUp + swap), limit }
}

/** A line such as `name 12`, or `name:  12 kB`. */
const fieldOf = (text: string | undefined, name: string): number => {
  const line = text?.split("\n").find((one) => one.startsWith(`${name} `))
  return line === undefined ? 0 : Number.parseInt(line.slice(name.length).trim(), 10) || 0
}

/** Files there are memory, and stay it. */
const TMPFS = 0x0102_1994

/** Why a file of that size in a directory would not fit; `undefined` if it may. */
export const tooSmallFor = (directory: string, bytes: number): Room | undefined => {
  if (fs.statfsSync(directory).type !== TMPFS) return undefined
  const room = roomLeft()
  return room !== undefined && room.bytes < bytes ? room : undefined
}
