import { defineConfig } from "vitest/config"

// The condition lets tests, and the workers they start, run the sources: no build step.
export default defineConfig({
  ssr: { resolve: { conditions: ["@selvedge/source", "node"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "examples/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 20_000
  }
})
