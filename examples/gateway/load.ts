/**
 * `npm run gateway:load`: the lines of a real log, over real sockets, at a chosen rate.
 *
 * A finite program is run like a service: Ctrl-C ends it at once, and what became of the events is told in
 * any case, as one line of JSON on stdout.
 */
import { ShutdownToken } from "@selvedge/core"
import { Selvedge } from "@selvedge/node"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as LogSource from "./load/LogSource.ts"
import * as Options from "./load/Options.ts"
import { send, type Tally } from "./load/send.ts"

const main = Effect.fnUntraced(function* (options: Options.Options) {
  if (options.help) return yield* Console.log(Options.usage)
  const source = yield* LogSource.find(options.file, options.fallback)
  yield* Effect.logInfo(`sending ${source.name} to ${options.url}, ${options.rate} events a second`)
  const tally: Tally = { sent: 0, acknowledged: 0, rejected: 0, unanswered: 0 }
  yield* send(source, options, tally).pipe(
    ShutdownToken.runUntilDraining,
    Effect.ensuring(Effect.suspend(() => Console.log(JSON.stringify(tally))))
  )
})

const asked = Effect.runSync(Effect.result(Options.make(process.argv.slice(2))))
if (Result.isSuccess(asked)) {
  const run = main(asked.success).pipe(Effect.provideService(Logger.LogToStderr, true))
  Selvedge.run(FetchHttpClient.layer, { name: "load", run })
} else {
  console.error(`gateway:load: ${asked.failure.message}`)
  process.exitCode = 2
}
