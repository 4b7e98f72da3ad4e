/**
 * `GET /top?n=10`: the keys with the most events.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import { Totals } from "../Totals.ts"
import { asTask } from "./asTask.ts"

const Query = Schema.Struct({
  n: Schema.optionalKey(Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1000 })))
})

const top = Effect.gen(function* () {
  const { n } = yield* HttpServerRequest.schemaSearchParams(Query)
  const totals = yield* Totals
  return HttpServerResponse.jsonUnsafe(yield* totals.ask(n ?? 10))
}).pipe(
  Effect.catchTag("SchemaError", (error) =>
    Effect.succeed(
      HttpServerResponse.text(`n: wanted a whole number from 1 to 1000: ${error.message}\n`, { status: 400 })
    )
  )
)

export const layer = HttpRouter.add("GET", "/top", asTask("top")(top))
