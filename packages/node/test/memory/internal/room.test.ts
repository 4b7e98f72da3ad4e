/** What control groups say about memory, in both versions. */
import { assert, describe, it } from "@effect/vitest"
import { roomLeft } from "../../../src/memory/internal/room.ts"

const MIB = 2 ** 20

/** Files, as a machine has them. */
const machine =
  (files: Readonly<Record<string, string>>) =>
  (file: string): string | undefined =>
    files[file]

const second = {
  "/proc/self/cgroup": "0::/market/feed\n",
  "/proc/meminfo": "MemTotal:  100 kB\nSwapFree:          0 kB\n",
  "/sys/fs/cgroup/market/feed/memory.max": "max\n",
  "/sys/fs/cgroup/market/feed/memory.current": `${10 * MIB}\n`,
  "/sys/fs/cgroup/market/feed/memory.stat": `anon ${10 * MIB}\n`,
  "/sys/fs/cgroup/market/memory.max": `${100 * MIB}\n`,
  "/sys/fs/cgroup/market/memory.current": `${90 * MIB}\n`,
  "/sys/fs/cgroup/market/memory.stat": `anon 1\nfile ${50 * MIB}\nshmem ${40 * MIB}\ninactive_file ${4 * MIB}\nactive_file ${3 * MIB}\nslab_reclaimable ${MIB}\n`
}

describe("room in memory", () => {
  it("is the least of all groups around a process, with what the kernel can give up [P5]", () => {
    assert.deepStrictEqual(roomLeft(machine(second)), { bytes: 18 * MIB, limit: 100 * MIB, group: "/market" })
    const own = { ...second, "/sys/fs/cgroup/market/feed/memory.max": `${12 * MIB}` }
    assert.deepStrictEqual(roomLeft(machine(own)), { bytes: 2 * MIB, limit: 12 * MIB, group: "/market/feed" })
    const over = { ...second, "/sys/fs/cgroup/market/feed/memory.max": `${9 * MIB}` }
    assert.deepStrictEqual(roomLeft(machine(over))?.bytes, 0)
  })

  it("is more where there is swap [P5]", () => {
    const swap = { ...second, "/proc/meminfo": "SwapFree:       2048 kB\n" }
    assert.strictEqual(roomLeft(machine(swap))?.bytes, 20 * MIB)
  })

  it("is read from groups of version 1 too, also beside version 2 [P5]", () => {
    const first = {
      "/proc/self/cgroup": "9:name=systemd:/\n4:hugetlb,memory:/feed\n0::/\n",
      "/sys/fs/cgroup/memory/feed/memory.limit_in_bytes": `${8 * MIB}`,
      "/sys/fs/cgroup/memory/feed/memory.usage_in_bytes": `${7 * MIB}`,
      "/sys/fs/cgroup/memory/feed/memory.stat": `inactive_file 5\ntotal_inactive_file ${MIB}\ntotal_active_file 0\n`,
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": `${700 * MIB}`
    }
    assert.deepStrictEqual(roomLeft(machine(first)), { bytes: 2 * MIB, limit: 8 * MIB, group: "/feed" })
  })

  it("is not known where nobody says how much of what is in use could be given up [P5]", () => {
    const { "/sys/fs/cgroup/market/memory.stat": hidden, ...rest } = second
    assert.isDefined(hidden)
    assert.isUndefined(roomLeft(machine(rest)))
  })

  it("has no limit that anybody knows of where there are no groups [P5]", () => {
    assert.isUndefined(roomLeft(machine({})))
    assert.isUndefined(roomLeft(machine({ "/proc/self/cgroup": "0::/\n" })))
  })
})
