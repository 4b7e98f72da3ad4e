import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

// Hundreds of processes and threads start from source here: each finds what an earlier one has compiled.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("node_modules/.cache/node", import.meta.url))

// The files that take longest on a quiet machine, so that none of them is the last: half of what they do is waiting for
// threads and processes, and others work meanwhile.
const longest = [
  "packages/node/test/workers/contract.hybrid.test.ts",
  "packages/node/test/workers/contract.processes.test.ts",
  "packages/node/test/workers/contract.threads.test.ts",
  "packages/node/test/workers/mappedRegions.test.ts",
  "packages/core/test/model/killed/killed.test.ts",
  "packages/node/test/diagnostics/counters.test.ts",
  "packages/node/test/workers/fleet.test.ts",
  "packages/node/test/workers/hybrid.test.ts",
  "packages/node/test/main/selvedge.test.ts",
  "packages/core/test/ring/ringModels.test.ts",
  "examples/gateway/test/kill.test.ts",
  "examples/gateway/test/operate.test.ts",
  "packages/node/test/memory/mappedMemory.test.ts",
  "packages/node/test/memory/supervisor.test.ts",
  "test/pack.test.ts",
  "test/mutants.test.ts"
]

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((file) => moduleId.endsWith(`/${file}`))
      return at < 0 ? longest.length : at
    }
    // oxlint-disable-next-line unicorn/no-array-sort -- this sorts no array: it asks vitest for the order it would take itself
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  // The condition lets tests, and the workers they start, run the sources: no build step.
  ssr: { resolve: { conditions: ["@selvedge/source", "node"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "examples/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    // No test is allowed to depend on how soon something happens. What never happens fails, on any machine.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Twice the cores of a small machine: many files wait most of the time.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst }
  }
})
