import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

// Hundreds of processes and threads start from source here: each finds what an earlier one has compiled.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("node_modules/.cache/node", import.meta.url))

// The condition lets tests, and the workers they start, run the sources: no build step.
const ssr = { resolve: { conditions: ["@selvedge/source", "node"] } }

// Tests that start many threads and processes, and whose times are generous: they wait half of the time, so three files at once.
const workers = [
  "packages/node/test/{admin,http,main}/**/*.test.ts",
  "packages/node/test/{memory,model,ring,workers}/**/*.test.ts",
  "packages/core/test/model/killed/*.test.ts",
  "packages/node/test/diagnostics/{counters,exitReport}.test.ts",
  "packages/testing/test/processes/**/*.test.ts",
  "examples/gateway/test/{kill,operate,plantedWorkers}.test.ts",
  "test/{mutants,pack}.test.ts"
]
// Tests that measure how long a loop was blocked: they run alone, after the others.
const processes = ["packages/node/test/diagnostics/{socket,watchdog}.test.ts", "examples/gateway/test/watchdog.test.ts"]

export default defineConfig({
  ssr,
  test: {
    projects: [
      {
        ssr,
        test: {
          name: "unit",
          include: ["packages/*/test/**/*.test.ts", "examples/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "**/dist/**", ...workers, ...processes],
          testTimeout: 60_000,
          // One fewer than the cores by default, which is one on a small machine.
          maxWorkers: 2,
          sequence: { groupOrder: 0 }
        }
      },
      {
        ssr,
        test: {
          name: "workers",
          include: workers,
          testTimeout: 120_000,
          maxWorkers: 3,
          sequence: { groupOrder: 1 }
        }
      },
      {
        ssr,
        test: {
          name: "processes",
          include: processes,
          testTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 }
        }
      }
    ]
  }
})
