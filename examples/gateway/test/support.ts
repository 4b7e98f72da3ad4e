/** A folder of a test's own, and the gateway's settings for it. */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"

export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(`${tmpdir()}/gateway-test-`)),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

export const withEnvironment = (env: Readonly<Record<string, string>>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env))
