import { defineConfig } from "vitest/config"

// A project of its own: its one test is meant to time out, and is run by TestTasks.test.ts only.
export default defineConfig({
  ssr: { resolve: { conditions: ["@selvedge/source", "node"] } },
  test: { include: ["*.fixture.ts"], testTimeout: 200 }
})
