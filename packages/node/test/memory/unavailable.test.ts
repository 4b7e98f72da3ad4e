/** Where memory cannot be mapped, or there is no room for it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, rmdirSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { LONGEST_MILLIS } from "../hearing.ts"
import { freshDirectory } from "./fixtures/space.ts"

interface Told {
  readonly tag?: string
  readonly error: string
  readonly regions?: number
  readonly files?: ReadonlyArray<string>
  readonly local: boolean
}

const fixture = (name: string): string => new URL(`./fixtures/${name}.ts`, import.meta.url).pathname

const command = (flags: ReadonlyArray<string>, ...args: ReadonlyArray<string>): ReadonlyArray<string> => [
  process.execPath,
  "--conditions=@selvedge/source",
  "--no-warnings",
  ...flags,
  fixture("hurdle"),
  ...args
]

const run = ([program = "", ...args]: ReadonlyArray<string>): Told => {
  const ran = spawnSync(program, args, { encoding: "utf8", timeout: LONGEST_MILLIS })
  assert.strictEqual(ran.status, 0, `${ran.signal ?? ""} ${ran.stderr}`)
  return JSON.parse(ran.stdout) as Told
}

/** In quotes for a shell. */
const quoted = (words: ReadonlyArray<string>): string => words.map((word) => `'${word}'`).join(" ")

describe("where memory cannot be mapped", () => {
  const hurdles = [
    [
      "koffi is not installed",
      "withoutKoffi",
      /wanted the package koffi with its prebuilt binary, found Cannot find package 'koffi'/
    ],
    ["koffi has no binary", "withoutBinary", /wanted the package koffi with its prebuilt binary, found .*[Kk]offi/],
    ["the system is another", "elsewhere", /wanted linux on x64 or arm64, found darwin on/]
  ] as const

  for (const [what, preload, message] of hurdles) {
    it.live(`says so before anything is touched, and one process works on, if ${what} [P5]`, () =>
      Effect.map(freshDirectory, (directory) => {
        const told = run(command(["--import", fixture(preload)], directory, "try"))
        assert.strictEqual(told.tag, "MappingUnavailable")
        assert.match(told.error, message)
        assert.isTrue(told.local)
        assert.isFalse(existsSync(directory))
      }).pipe(Effect.scoped)
    )
  }
})

/** A mount of one's own needs user namespaces, which some systems forbid. */
const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).status === 0

const GIB = 2 ** 30

/** A control group of one's own that can have a limit, as its folder and the limit's file; root may make one on most systems. */
const limitedGroup = (root: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const folder = mkdtempSync(path.join(root, "selvedge-test-"))
      const limit = ["memory.limit_in_bytes", "memory.max"].find((name) => existsSync(path.join(folder, name)))
      return [folder, path.join(folder, limit ?? "no limit")] as const
    }),
    ([folder]) => Effect.sync(() => rmdirSync(folder))
  )

const canLimit = (root: string): boolean => {
  try {
    return Effect.runSync(
      Effect.scoped(Effect.map(limitedGroup(root), ([, limit]) => (writeFileSync(limit, String(GIB)), true)))
    )
  } catch {
    return false
  }
}

const group = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].find(canLimit)

describe("where there is no room", () => {
  it.runIf(canMount)("a full disk is an error of the allocation, and what was there works on [P5]", () =>
    Effect.runPromise(
      Effect.map(freshDirectory, (directory) => {
        const parent = path.dirname(directory)
        const fill = quoted(command([], path.join(parent, "space"), "fill", "100000"))
        const script = `mount -t tmpfs -o size=1m,mode=700 none '${parent}' && exec ${fill}`
        const told = run(["unshare", "-rm", "sh", "-c", script])
        // 64 KiB for the control file, 132 KiB for each region.
        assert.strictEqual(told.regions, 7)
        assert.match(told.error, /its space left differs: wanted room for it, found ENOSPC/)
        assert.deepStrictEqual(told.files, [])
        assert.isTrue(told.local)
      }).pipe(Effect.scoped)
    )
  )

  it.runIf(canMount)("a disk too full for a space is an error that leaves nothing [P5]", () =>
    Effect.runPromise(
      Effect.map(freshDirectory, (directory) => {
        const parent = path.dirname(directory)
        const attempt = quoted(command([], path.join(parent, "space"), "try"))
        const script = `mount -t tmpfs -o size=16k,mode=700 none '${parent}' && exec ${attempt}`
        const told = run(["unshare", "-rm", "sh", "-c", script])
        assert.strictEqual(told.tag, "FileRefused")
        assert.match(told.error, /wanted room for it, found ENOSPC/)
        assert.deepStrictEqual(told.files, [])
      }).pipe(Effect.scoped)
    )
  )

  it.live("a limit on addresses is an error of the allocation [P5]", () =>
    Effect.map(freshDirectory, (directory) => {
      // Node itself takes some; every memory some 8 GiB more.
      const fill = quoted(command([], directory, "fill", "8"))
      const told = run(["sh", "-c", `ulimit -v ${120 * 2 ** 20} && exec ${fill}`])
      assert.isAbove(told.regions ?? 0, 0)
      assert.match(told.error, /^no region of 8 bytes: wanted addresses for 65536 bytes, found RangeError/)
      assert.deepStrictEqual(told.files, [])
    }).pipe(Effect.scoped)
  )

  it.live.runIf(group !== undefined)("a limit on memory is an error of the allocation, and nobody is killed [P5]", () =>
    Effect.gen(function* () {
      const [folder, limit] = yield* limitedGroup(group!)
      writeFileSync(limit, String(1 * GIB))
      // More than the limit: how much Node has taken by then does not matter.
      const fill = quoted(command([], yield* freshDirectory, "fill", String(2 * GIB - 65536)))
      const told = run(["sh", "-c", `echo $$ > ${folder}/cgroup.procs && exec ${fill}`])
      assert.strictEqual(told.regions, 0)
      assert.match(
        told.error,
        /its memory left differs: wanted 21\d+ bytes, found \d+ left of the 1073741824 bytes of control/
      )
      assert.deepStrictEqual(told.files, [])
      assert.isTrue(told.local)
    }).pipe(Effect.scoped)
  )

  it.live("no descriptor left is an error of the allocation, and the next one has its region [P5]", () =>
    Effect.map(freshDirectory, (directory) => {
      const crowd = quoted(command([], directory, "crowd"))
      const told = run(["sh", "-c", `ulimit -n 64 && exec ${crowd}`])
      assert.match(told.error, /^no region of 8 bytes: wanted open .*test\.1, found EMFILE/)
      assert.deepStrictEqual(told.files, [])
      assert.isTrue(told.local)
    }).pipe(Effect.scoped)
  )

  it.live("a file that may not grow so far is an error that leaves nothing, and no signal [P5]", () =>
    Effect.map(freshDirectory, (directory) => {
      const attempt = quoted(command([], directory, "try"))
      const told = run(["sh", "-c", `ulimit -f 16 && exec ${attempt}`])
      assert.match(told.error, /its space left differs: wanted room for it, found EFBIG/)
      assert.deepStrictEqual(told.files, [])
    }).pipe(Effect.scoped)
  )

  it.live("a directory that cannot be made is refused [P5]", () =>
    Effect.sync(() => {
      const told = run(command([], "/proc/selvedge", "try"))
      assert.strictEqual(told.tag, "FileRefused")
      assert.match(
        told.error,
        /\/proc\/selvedge is refused, its directory differs: wanted a directory it can be made in/
      )
    })
  )
})
