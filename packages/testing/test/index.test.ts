import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../src/", import.meta.url))

/** What a file loads when it is loaded: no `import type`, no `import(...)`. */
const loads = (file: string): ReadonlyArray<string> =>
  Array.from(
    readFileSync(file, "utf8").matchAll(/^(?:import|export) (?:\* as \w+|\{[^}"]*\}) from "([^"]+)"/gm),
    (match) => match[1] ?? ""
  )

describe("the optional peers", () => {
  const files = ["time", "faults", "scheduler", "signals", "leaks"].flatMap((family) =>
    globSync(`${root}${family}/**/*.ts`)
  )

  it("only effect is loaded by the tools for Effect: neither vitest nor core [X1]", () => {
    assert.isAbove(files.length, 15)
    assert.isTrue(files.some((file) => loads(file).includes("effect/Effect")))
    const others = files.flatMap(loads).filter((name) => !name.startsWith("effect/") && !name.startsWith("."))
    assert.deepStrictEqual([...new Set(others)], ["node:async_hooks"])
  })

  it("the index has a namespace for every public file of these families [X1]", () => {
    const exported = loads(`${root}index.ts`).map((path) => path.slice(2))
    const publicFiles = files.map((file) => file.slice(root.length)).filter((path) => !path.includes("/internal/"))
    assert.deepStrictEqual(exported.toSorted(), publicFiles.toSorted())
  })
})
