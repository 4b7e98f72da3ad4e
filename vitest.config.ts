import { defineConfig } from "vitest/config"

// The condition lets tests, and the workers they start, run the sources: no build step.
const ssr = { resolve: { conditions: ["@selvedge/source", "node"] } }

// Tests that start processes measure when those end, so they run alone, after the others.
const processes = ["packages/node/test/**/*.test.ts", "test/pack.test.ts", "test/mutants.test.ts"]

export default defineConfig({
  ssr,
  test: {
    projects: [
      {
        ssr,
        test: {
          name: "unit",
          include: ["packages/*/test/**/*.test.ts", "examples/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["**/node_modules/**", "**/dist/**", ...processes],
          testTimeout: 60_000,
          // One fewer than the cores by default, which is one on a small machine.
          maxWorkers: 2,
          sequence: { groupOrder: 0 }
        }
      },
      {
        ssr,
        test: {
          name: "processes",
          include: processes,
          testTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 }
        }
      }
    ]
  }
})
