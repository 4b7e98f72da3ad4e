/**
 * `GET /workers`: who works here. An ordinal stays, a generation is one life of it; of those that count, `serviceOrdinal` is
 * the shard.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Workers } from "../Workers.ts"
import { asTask } from "./asTask.ts"

const workers = Effect.map(
  Effect.flatMap(Workers, ({ status }) => status),
  (rows) =>
    HttpServerResponse.jsonUnsafe({
      workers: rows.map(({ generation, name, ordinal, place, serviceOrdinal, state, text }) => ({
        name,
        serviceOrdinal,
        ordinal,
        generation,
        state,
        text,
        place
      }))
    })
)

export const layer = HttpRouter.add("GET", "/workers", asTask("workers")(workers))
