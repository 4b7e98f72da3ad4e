/**
 * `npm run stress`: runs every stress and kill script for a while.
 *
 * A script is a file `*.stress.ts` in `stress/` or anywhere in a package's
 * `test/`. It exports `run({ seed, seconds })`, does random work drawn from the
 * seed until the seconds are over, and answers `{ counts, violations }`. Each
 * runs in a child process of its own, on the sources, and prints one JSON line:
 * `{"name":…,"seed":…,"seconds":…,"counts":{…},"violations":[…]}`.
 *
 * Options: `--seconds N` for each script (10), `--seed N` (random, printed),
 * `--records N` and `--kills N` (a script that counts them ends when every kind of round has had so many; the seconds are still
 * the most it may take), `--only text`, `--root`. Exit code 1 on a violation, on a child that died or
 * never ended, and when there is no script.
 */
import { spawn } from "node:child_process"
import { randomInt } from "node:crypto"
import * as path from "node:path"
import { parseArgs } from "node:util"
import { folder, positive, readOrExit, WrongArgument } from "./internal/arguments.ts"
import { filesOf, workspaceRoot } from "./internal/files.ts"
import { nameOf, type StressLine, type StressOptions } from "./internal/stressChild.ts"

/** How long a script may take beyond its seconds before it is taken to hang: starting, and finishing what it began, on a busy machine. */
const GRACE_SECONDS = 300

/** Runs one script; never rejects. */
const runScript = (root: string, file: string, options: StressOptions): Promise<StressLine> =>
  new Promise((resolve) => {
    const { seconds, seed } = options
    const { NODE_OPTIONS: _, ...env } = process.env
    const entry = path.join(import.meta.dirname, "internal", "stressChild.ts")
    const flags = ["--conditions=@selvedge/source", "--no-warnings"]
    const args = [...flags, entry, path.join(root, file), JSON.stringify(options)]
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] })
    let stdout = ""
    let timedOut = false
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    const timer = setTimeout(
      () => {
        timedOut = true
        child.kill("SIGKILL")
      },
      (seconds + GRACE_SECONDS) * 1000
    )
    child.on("close", (code, signal) => {
      clearTimeout(timer)
      const failed = (violation: string): void =>
        resolve({ name: nameOf(file), seed, seconds, counts: {}, violations: [violation] })
      if (timedOut) return failed(`no end within ${seconds + GRACE_SECONDS} s`)
      try {
        const line = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as StressLine
        if (line.violations.length === 0 && code !== 0) return failed(`ended with ${signal ?? `exit code ${code}`}`)
        resolve(line)
      } catch {
        failed(`ended without its line (${signal ?? `exit code ${code}`})`)
      }
    })
  })

interface Asked {
  readonly root: string
  readonly options: StressOptions
  readonly files: ReadonlyArray<string>
}

const readOptions = (): Asked => {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "10" },
      seed: { type: "string" },
      records: { type: "string" },
      kills: { type: "string" },
      only: { type: "string", default: "" },
      root: { type: "string", default: workspaceRoot }
    }
  })
  const options: StressOptions = {
    seed: values.seed === undefined ? randomInt(1, 2 ** 31) : positive("seed", values.seed, "whole"),
    seconds: positive("seconds", values.seconds, "any"),
    ...(values.records === undefined ? {} : { records: positive("records", values.records, "whole") }),
    ...(values.kills === undefined ? {} : { kills: positive("kills", values.kills, "whole") })
  }
  const root = folder("root", values.root)
  const all = filesOf(root, ["packages/*/test/**/*.stress.ts", "stress/**/*.stress.ts"])
  const files = all.filter((file) => nameOf(file).includes(values.only))
  if (files.length === 0 && all.length > 0) {
    const names = all.map(nameOf).join(", ")
    throw new WrongArgument(`--only wants a part of a script's name (${names}), found "${values.only}"`)
  }
  return { root, options, files }
}

const main = async (): Promise<number> => {
  const { files, options, root } = readOrExit("stress", readOptions)
  let failed = 0
  for (const file of files) {
    const line = await runScript(root, file, options)
    console.log(JSON.stringify(line))
    if (line.violations.length > 0) failed++
  }
  console.error(`stress: ${files.length - failed} passed, ${failed} failed, seed ${options.seed}`)
  if (files.length === 0) console.error(`stress: found no script below ${root}`)
  return failed === 0 && files.length > 0 ? 0 : 1
}

process.exitCode = await main()
