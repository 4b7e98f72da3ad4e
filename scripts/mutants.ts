/**
 * `npm run mutants`: brings known flaws into our code, one at a time, and fails
 * unless the test that guards against each of them goes red.
 *
 * Each `test/mutants/<name>.patch` opens with a header:
 *
 * ```text
 * # shows: flaw T8: pending count          (an id of docs/requirements.md)
 * # test: packages/core/test/tasks/x.test.ts
 * # title: names only the straggler        (part of the title, of one test)
 * # because: a sentence on what the patch does
 * ```
 *
 * All of it happens in a throw-away copy; the work tree is never touched. The
 * named test is first seen green without the patch, then alone with it.
 *
 * **Invariants**
 *
 * 1. A mutant is *caught* only if exactly the named test failed: a file that
 *    does not load, a run that never ends or a patch that no longer applies is
 *    a failure of its own.
 * 2. Every flaw marked `(now)` in the list has at least one mutant.
 *
 * Options: `--only text` (names), `--root` (another workspace). Exit code 1
 * unless all are caught, 2 for an argument that cannot be.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs"
import * as path from "node:path"
import { parseArgs } from "node:util"
import { folder, readOrExit, WrongArgument } from "./internal/arguments.ts"
import { filesOf, workspaceRoot } from "./internal/files.ts"
import { LIST, parseList } from "./internal/requirementRules.ts"
import { withCopy } from "./internal/throwAwayCopy.ts"
import { type FileResult, runTests } from "./internal/vitestRun.ts"

const RUN_SECONDS = 90
/** Many a mutant makes its test wait for ever; a green test of ours is far quicker than this. */
const MUTATED_TEST_SECONDS = 8

interface Mutant {
  readonly name: string
  readonly patch: string
  readonly shows: string
  readonly test: string
  readonly title: string
  readonly changes: ReadonlyArray<string>
}

interface Verdict {
  readonly mutant: string
  readonly shows: string
  readonly verdict: "caught" | "SURVIVED" | "BROKEN"
  readonly detail: string
}

const readMutant = (root: string, file: string): Mutant | string => {
  const patch = path.join(root, file)
  const text = readFileSync(patch, "utf8")
  const field = (name: string): string => new RegExp(`^# ${name}: (.+)$`, "m").exec(text)?.[1]?.trim() ?? ""
  const missing = ["shows", "test", "title", "because"].filter((name) => field(name) === "")
  const changes = Array.from(text.matchAll(/^\+\+\+ b\/(.+)$/gm), (found) => found[1] ?? "")
  if (missing.length > 0) return `${file}: the header lacks ${missing.join(", ")}`
  if (changes.length === 0) return `${file}: holds no diff`
  if (changes.some((changed) => /\/test\//.test(changed))) return `${file}: changes a test instead of our code`
  if (!existsSync(path.join(root, field("test")))) return `${file}: ${field("test")} does not exist`
  return {
    name: path.basename(file, ".patch"),
    patch,
    shows: field("shows"),
    test: field("test"),
    title: field("title"),
    changes
  }
}

/** The one named test, or why it cannot be told. */
const theTest = (run: FileResult, mutant: Mutant): { readonly status: string; readonly message: string } | string => {
  if (run.problem !== undefined) return run.problem.split("\n")[0] ?? ""
  const named = run.results.filter((result) => result.title.includes(mutant.title))
  const [only] = named
  if (only === undefined || named.length > 1) return `${named.length} tests are titled "${mutant.title}"`
  return { status: only.status, message: only.messages[0]?.split("\n")[0] ?? "" }
}

/** Green without any patch? One run per test file. */
const greens = async (copy: string, mutants: ReadonlyArray<Mutant>): Promise<ReadonlyMap<Mutant, string>> => {
  const problems = new Map<Mutant, string>()
  for (const [test, group] of Map.groupBy(mutants, (mutant) => mutant.test)) {
    const run = await runTests({
      root: copy,
      file: test,
      titles: [...new Set(group.map((mutant) => mutant.title))],
      runSeconds: RUN_SECONDS
    })
    for (const mutant of group) {
      const found = theTest(run, mutant)
      if (typeof found === "string") problems.set(mutant, found)
      else if (found.status !== "passed") problems.set(mutant, `red without the patch: ${found.message}`)
    }
  }
  return problems
}

const applyPatch = (copy: string, mutant: Mutant): string | undefined => {
  const ran = spawnSync("git", ["apply", mutant.patch], {
    cwd: copy,
    encoding: "utf8",
    // Without a ceiling, git inside some repository's folder would skip the files.
    env: { ...process.env, GIT_CEILING_DIRECTORIES: path.dirname(copy) }
  })
  return ran.status === 0 ? undefined : `does not apply: ${ran.stderr.trim().split("\n")[0]}`
}

const restore = (root: string, copy: string, mutant: Mutant): void => {
  for (const file of mutant.changes) {
    if (existsSync(path.join(root, file))) copyFileSync(path.join(root, file), path.join(copy, file))
    else rmSync(path.join(copy, file), { force: true })
  }
}

const judge = async (root: string, copy: string, mutant: Mutant): Promise<Verdict> => {
  const verdict = (word: Verdict["verdict"], detail: string): Verdict => ({
    mutant: mutant.name,
    shows: mutant.shows,
    verdict: word,
    detail
  })
  const refused = applyPatch(copy, mutant)
  if (refused !== undefined) return verdict("BROKEN", refused)
  try {
    const run = await runTests({
      root: copy,
      file: mutant.test,
      titles: [mutant.title],
      runSeconds: RUN_SECONDS,
      testSeconds: MUTATED_TEST_SECONDS
    })
    const found = theTest(run, mutant)
    if (typeof found === "string") return verdict("BROKEN", found)
    return found.status === "failed" ? verdict("caught", found.message) : verdict("SURVIVED", "the test stays green")
  } finally {
    restore(root, copy, mutant)
  }
}

const show = (verdict: Verdict): void => {
  const detail = verdict.detail.length > 110 ? `${verdict.detail.slice(0, 109)}…` : verdict.detail
  console.log(`${verdict.verdict.padEnd(9)} ${verdict.mutant.padEnd(32)} ${verdict.shows.padEnd(28)} ${detail}`)
}

const readOptions = () => {
  const { values } = parseArgs({
    options: { only: { type: "string", default: "" }, root: { type: "string", default: workspaceRoot } }
  })
  const files = filesOf(folder("root", values.root), ["test/mutants/*.patch"])
  if (files.length > 0 && !files.some((file) => path.basename(file, ".patch").includes(values.only))) {
    throw new WrongArgument(`--only wants a part of the name of a patch in test/mutants, found "${values.only}"`)
  }
  return { ...values, files }
}

const main = async (): Promise<number> => {
  const values = readOrExit("mutants", readOptions)
  const { requirements } = parseList(readFileSync(path.join(values.root, LIST), "utf8"))
  const read = values.files.map((file) => readMutant(values.root, file))
  const problems = read.filter((one) => typeof one === "string")
  const all = read.filter((one) => typeof one !== "string")
  const known = new Set(requirements.map((one) => one.id))
  for (const mutant of all) {
    if (!known.has(mutant.shows)) problems.push(`${mutant.name}: shows "${mutant.shows}", which ${LIST} does not have`)
  }
  for (const { id, status } of requirements) {
    const wanted = id.startsWith("flaw ") && status === "now" && !all.some((mutant) => mutant.shows === id)
    if (wanted) problems.push(`${id} has no mutant in test/mutants/`)
  }
  const chosen = all.filter((mutant) => mutant.name.includes(values.only))
  const verdicts = await withCopy(values.root, async (copy) => {
    const red = await greens(copy, chosen)
    const judged: Array<Verdict> = []
    for (const mutant of chosen) {
      const detail = red.get(mutant)
      const verdict: Verdict =
        detail === undefined
          ? await judge(values.root, copy, mutant)
          : { mutant: mutant.name, shows: mutant.shows, verdict: "BROKEN", detail }
      show(verdict)
      judged.push(verdict)
    }
    return judged
  })
  for (const problem of problems) console.error(problem)
  const count = (word: Verdict["verdict"]): number => verdicts.filter((one) => one.verdict === word).length
  console.log(
    `mutants: ${count("caught")} of ${verdicts.length} caught, ${count("SURVIVED")} survived, ` +
      `${count("BROKEN")} broken, ${problems.length} problems`
  )
  return problems.length === 0 && verdicts.length > 0 && count("caught") === verdicts.length ? 0 : 1
}

process.exitCode = await main()
