/**
 * The packages as they would be published: built from nothing in a throw-away
 * copy, packed, unpacked beside an ordinary `node_modules`, and used there by
 * plain Node and by the compiler.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { withCopy } from "../scripts/internal/throwAwayCopy.ts"
import { workspaceRoot } from "./internal/fixture.ts"

const packages = ["core", "node", "testing"] as const
const { NODE_OPTIONS: _, VITEST: __, ...env } = process.env

const tsc = path.join(workspaceRoot, "node_modules", "typescript", "bin", "tsc")

const consumer = mkdtempSync(path.join(tmpdir(), "selvedge-consumer-"))
const modules = path.join(consumer, "node_modules")
const packed = new Map<string, ReadonlyArray<string>>()

const unpack = (tarball: string, name: string): void => {
  const folder = path.join(modules, "@selvedge", name)
  mkdirSync(folder, { recursive: true })
  execFileSync("tar", ["-xzf", tarball, "-C", folder, "--strip-components=1"])
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  packed.set(
    name,
    entries.map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
  )
}

beforeAll(
  () =>
    withCopy(workspaceRoot, async (copy) => {
      const built = spawnSync(process.execPath, [tsc, "-b"], { cwd: copy, encoding: "utf8", env })
      assert.strictEqual(built.status, 0, `${built.stdout}${built.stderr}`)
      const workspaces = packages.flatMap((name) => ["-w", `packages/${name}`])
      execFileSync("npm", ["pack", "--silent", "--pack-destination", consumer, ...workspaces], { cwd: copy, env })
      for (const name of packages) {
        const tarball = readdirSync(consumer).find((file) => file.startsWith(`selvedge-${name}-`))
        assert.isDefined(tarball)
        unpack(path.join(consumer, tarball), name)
      }
      for (const name of readdirSync(path.join(workspaceRoot, "node_modules"))) {
        if (!name.startsWith(".") && name !== "@selvedge") {
          symlinkSync(path.join(workspaceRoot, "node_modules", name), path.join(modules, name))
        }
      }
      writeFileSync(path.join(consumer, "package.json"), JSON.stringify({ type: "module" }))
    }),
  120_000
)

afterAll(() => rmSync(consumer, { recursive: true, force: true }))

const isInternal = (file: string): boolean => /(?:^|\/)internal\//.test(file)

/** `dist/tasks/Task.js` of core is `@selvedge/core/tasks/Task`. */
const specifiers = (wanted: (file: string) => boolean): ReadonlyArray<string> =>
  [...packed].flatMap(([name, files]) =>
    files
      .filter((file) => file.endsWith(".js") && wanted(file))
      .map((file) => `@selvedge/${name}/${file.slice("dist/".length, -".js".length)}`)
  )

/** Each package by its bare name, and every module that is not internal. */
const publicEntries = (): ReadonlyArray<string> => [
  ...packages.map((name) => `@selvedge/${name}`),
  ...specifiers((file) => !isInternal(file) && file !== "dist/index.js")
]

/** Imports every specifier in a plain Node process; answers `specifier → "ok"` or the error's code. */
const importAll = (entries: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const program = `
    const answers = []
    for (const entry of ${JSON.stringify(entries)}) {
      answers.push([entry, await import(entry).then(() => "ok", (error) => error.code ?? String(error))])
    }
    console.log(JSON.stringify(answers))
  `
  writeFileSync(path.join(consumer, "imports.mjs"), program)
  const ran = spawnSync(process.execPath, ["imports.mjs"], { cwd: consumer, encoding: "utf8", env })
  assert.strictEqual(ran.status, 0, ran.stderr)
  return new Map(JSON.parse(ran.stdout) as ReadonlyArray<[string, string]>)
}

const compile = (options: Readonly<Record<string, string | boolean>>): string => {
  const lines = publicEntries().map(
    (entry, i) => `import * as M${i} from "${entry}"\nexport const k${i} = Object.keys(M${i})`
  )
  writeFileSync(path.join(consumer, "consumer.ts"), `${lines.join("\n")}\n`)
  const compilerOptions = {
    target: "ES2024",
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ["node"],
    ...options
  }
  writeFileSync(path.join(consumer, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["consumer.ts"] }))
  const ran = spawnSync(process.execPath, [tsc, "-p", "tsconfig.json"], { cwd: consumer, encoding: "utf8", env })
  return `${ran.stdout}${ran.stderr}${ran.status === 0 ? "" : `exit code ${ran.status}`}`
}

describe("the packed packages", () => {
  it("hold built JavaScript and types and nothing else [X1]", () => {
    for (const [name, files] of packed) {
      const allowed = /^(?:package\.json|README\.md|LICENSE|dist\/.+\.(?:js|d\.ts))$/
      assert.deepStrictEqual(
        files.filter((file) => !allowed.test(file)),
        [],
        name
      )
      assert.include(files, "dist/index.js")
      assert.include(files, "dist/index.d.ts")
    }
  })

  it("give every public module to plain Node [X1]", () => {
    // Vitest's modules refuse to load outside of a test run, so what builds on them cannot be tried here.
    const entries = publicEntries().filter((entry) => !entry.includes("/vitest"))
    assert.isAbove(entries.length, packages.length)
    const failures = [...importAll(entries)].filter(([, answer]) => answer !== "ok")
    assert.deepStrictEqual(failures, [])
  })

  it("refuse every internal module, nested ones too [X1]", () => {
    const entries = specifiers(isInternal)
    assert.isAbove(entries.length, 0)
    const open = [...importAll(entries)].filter(([, answer]) => answer !== "ERR_PACKAGE_PATH_NOT_EXPORTED")
    assert.deepStrictEqual(open, [])
  })

  it("typecheck for a consumer under NodeNext and under bundler resolution [X1]", () => {
    assert.strictEqual(compile({ module: "NodeNext" }), "")
    assert.strictEqual(compile({ module: "ESNext", moduleResolution: "bundler" }), "")
  })

  it("carry declarations that are whole [X1]", () => {
    // A name that a declaration mentions and does not have only shows when libraries are checked too.
    const errors = compile({ module: "NodeNext", skipLibCheck: false }).split("\n")
    assert.deepStrictEqual(
      errors.filter((line) => line.includes("@selvedge")),
      []
    )
  })
})
