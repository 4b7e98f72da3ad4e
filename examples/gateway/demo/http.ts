/**
 * HTTP as the demonstration uses it: one request a connection, a request that takes its time, and an event stream.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import { NotSeen } from "./Child.ts"

export interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
}

const failed = (url: string) => (error: unknown) =>
  new NotSeen({ wanted: `an answer from ${url}`, found: error instanceof Error ? error.message : String(error) })

const answerTo = (request: Http.ClientRequest): Promise<Answer> =>
  new Promise((resolve, reject) => {
    request.once("error", reject).once("response", (response) => {
      let text = ""
      response
        .setEncoding("utf8")
        .on("data", (part: string) => (text += part))
        .once("error", reject)
        .once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
  })

/** A request on a connection of its own. */
export const ask = (
  method: "GET" | "POST",
  url: string,
  body?: string,
  headers: Http.OutgoingHttpHeaders = {}
): Effect.Effect<Answer, NotSeen> =>
  Effect.tryPromise({
    try: (signal) => {
      const request = Http.request(url, { method, headers, agent: false, signal })
      const answer = answerTo(request)
      request.end(body)
      return answer
    },
    catch: failed(url)
  })

/** A request whose body is sent in two parts: the first now, the rest when `finish` is run. */
export const begin = (
  url: string,
  first: string
): Effect.Effect<{ readonly finish: (rest: string) => Effect.Effect<Answer, NotSeen> }, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const request = Http.request(url, { method: "POST", agent: false })
        const answer = answerTo(request)
        answer.catch(() => {})
        request.write(first)
        return { request, answer }
      }),
      ({ request }) => Effect.sync(() => request.destroy())
    ),
    ({ answer, request }) => ({
      finish: (rest) =>
        Effect.tryPromise({
          try: () => {
            request.end(rest)
            return answer
          },
          catch: failed(url)
        })
    })
  )

/** An event stream, as far as it has come. */
export interface Events {
  /** The data of the last event. */
  readonly last: () => { readonly events: number; readonly keys: number } | undefined
  /** Whether an event told of fewer events than one before it. */
  readonly hasFallen: () => boolean
  /** The name of the last event once the stream has ended by itself; `cut` if it was cut off. */
  readonly ending: () => string | undefined
}

export const follow = (url: string): Effect.Effect<Events, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      let text = ""
      let ending: string | undefined
      const names = (): ReadonlyArray<string> => Array.from(text.matchAll(/^event: (\w+)$/gm), (match) => match[1]!)
      const request = Http.get(url, { agent: false }, (response) => {
        response.setEncoding("utf8").on("data", (part: string) => (text += part))
        response.once("close", () => (ending = response.complete ? (names().at(-1) ?? "nothing") : "cut"))
        response.on("error", () => {})
      }).on("error", () => {})
      const all = (): ReadonlyArray<{ events: number; keys: number }> =>
        Array.from(text.matchAll(/^data: (.*)\n\n/gm), (match) => JSON.parse(match[1]!))
      const hasFallen = (): boolean => all().some(({ events }, at, rows) => at > 0 && events < rows[at - 1]!.events)
      return { request, last: () => all().at(-1), hasFallen, ending: () => ending }
    }),
    ({ request }) => Effect.sync(() => request.destroy())
  )
