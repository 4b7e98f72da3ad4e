/**
 * `POST /operate/…`: the workers are replaced, reloaded and scaled while they serve.
 *
 * | route                                        | does                                                                  |
 * | -------------------------------------------- | --------------------------------------------------------------------- |
 * | `/operate/restart`                           | replaces all workers, the new ones ready before the old are stopped    |
 * | `/operate/restart?service=parse`             | those of one service                                                  |
 * | `/operate/reload?parsers=4&recycle=1m`       | asks for the fleet anew: keeps what is as it was, changes what is not |
 * | `/operate/scale?service=parse&count=8`       | as many parsers                                                       |
 *
 * They exist only with `GATEWAY_OPERATOR_TOKEN`, for clients of this machine that know it (`Authorization: Bearer …`). 200 tells what
 * was done; 401 without the token; 400 for what cannot be; 503 when it was not done, and then the old workers serve on.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createHash, timingSafeEqual } from "node:crypto"
import { COUNT, type Done, PARSE } from "../fleet.ts"
import { declared, Settings } from "../Settings.ts"
import { Workers } from "../Workers.ts"
import { asTask } from "./asTask.ts"

const answer = (status: number, text: string) => HttpServerResponse.text(`${text}\n`, { status })

// -----------------------------------------------------------------------------
// Who may
// -----------------------------------------------------------------------------

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** Digests are as long as each other, so the time says nothing of how much was right. */
const isSame = (found: string, wanted: string): boolean => timingSafeEqual(digest(found), digest(wanted))

const isLoopback = (address: string): boolean => /^(?:::ffff:)?127\.|^::1$/.test(address)

/** Answers only those of this machine that know the token; to all others it is not even there. */
const guarded =
  (token: Redacted.Redacted) =>
  <E, R>(handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, remoteAddress }) => {
      if (!isLoopback(Option.getOrElse(remoteAddress, () => ""))) return Effect.succeed(answer(404, "not found"))
      const [, found = ""] = /^Bearer (.+)$/.exec(headers["authorization"] ?? "") ?? []
      return isSame(found, Redacted.value(token))
        ? handler
        : Effect.succeed(
            HttpServerResponse.setHeader(answer(401, "wanted the operator's token"), "www-authenticate", "Bearer")
          )
    })

// -----------------------------------------------------------------------------
// What
// -----------------------------------------------------------------------------

const Count = Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 64 }))

const restart = HttpServerRequest.schemaSearchParams(
  Schema.Struct({ service: Schema.optionalKey(Schema.Literals([COUNT, PARSE])) })
).pipe(Effect.flatMap(({ service }) => Workers.use((workers) => workers.restart(service))))

const reload = HttpServerRequest.schemaSearchParams(
  Schema.Struct({ parsers: Schema.optionalKey(Count), recycle: Schema.optionalKey(Schema.String) })
).pipe(
  Effect.bindTo("query"),
  Effect.bind("recycleEvery", ({ query: { recycle } }) =>
    recycle === undefined || recycle === "off"
      ? Effect.succeedNone
      : Effect.asSome(declared.recycleEvery.check(recycle))
  ),
  Effect.flatMap(({ query: { parsers, recycle }, recycleEvery }) =>
    Workers.use((workers) =>
      workers.reload({
        ...(parsers === undefined ? {} : { parsers }),
        ...(recycle === undefined ? {} : { recycleEvery })
      })
    )
  )
)

/** How many count is laid down by their files. */
const scale = HttpServerRequest.schemaSearchParams(
  Schema.Struct({ service: Schema.Literal(PARSE), count: Count })
).pipe(Effect.flatMap(({ count }) => Workers.use((workers) => workers.scale(count))))

const told = <E extends { readonly _tag: string; readonly message: string }, R>(operation: Effect.Effect<Done, E, R>) =>
  Effect.match(operation, {
    onFailure: (error) =>
      answer(
        error._tag === "SchemaError" || error._tag === "InvalidSetting" || error._tag === "InvalidSpec" ? 400 : 503,
        error.message.replaceAll(/\s*\n\s*/g, " ")
      ),
    onSuccess: (done) => HttpServerResponse.jsonUnsafe(done)
  })

export const layer = Layer.unwrap(
  Effect.map(Settings, ({ operatorToken }) =>
    Option.match(operatorToken, {
      onNone: () => Layer.empty,
      onSome: (token) => {
        const route = (name: "restart" | "reload" | "scale", handler: ReturnType<typeof told<any, any>>) =>
          HttpRouter.add("POST", `/operate/${name}`, guarded(token)(asTask(`operate ${name}`)(handler)))
        return Layer.mergeAll(
          route("restart", told(restart)),
          route("reload", told(reload)),
          route("scale", told(scale))
        )
      }
    })
  )
)
