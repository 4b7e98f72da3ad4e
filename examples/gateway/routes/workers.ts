/**
 * `GET /workers`: who works here. An ordinal stays, a generation is one life of it; of those that count, `serviceOrdinal` is
 * the shard.
 */
import type { Child } from "@selvedge/core"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Workers } from "../Workers.ts"
import { asTask } from "./asTask.ts"

const rowOf = (row: Child.Row) => {
  const { generation, memoryBytes, name, ordinal, place, role, serviceOrdinal, state, text } = row
  return { name, serviceOrdinal, ordinal, generation, state, role, text, place, memoryBytes }
}

const workers = Workers.use(({ statistics, status }) =>
  Effect.map(Effect.all([status, statistics]), ([rows, statistics]) =>
    HttpServerResponse.jsonUnsafe({ workers: rows.map(rowOf), statistics })
  )
)

export const layer = HttpRouter.add("GET", "/workers", asTask("workers")(workers))
