/**
 * Answers at the watchdog's socket: one dump for each connection.
 *
 * A client may first send one line, `text` (also when it sends nothing for 200 ms) or `json`; it gets the dump and the end.
 * Nothing is ever changed by a request.
 *
 * @internal
 */
import type * as DumpSchema from "@selvedge/core/inspection/DumpSchema"
import * as DumpText from "@selvedge/core/inspection/DumpText"
import { chmodSync } from "node:fs"
import { createServer, type Socket } from "node:net"

const LINE_MILLIS = 200
const LINE_CHARACTERS = 64
/** A client that does not read is cut off, not waited for. */
const READ_MILLIS = 5000
const CONNECTIONS = 8

export interface Told {
  readonly onReady: () => void
  readonly onProblem: (why: string) => void
}

export const serve = (path: string, dump: () => Promise<DumpSchema.Dump>, told: Told): void => {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy())
    socket.setTimeout(READ_MILLIS, () => socket.destroy())
    wordOf(socket, (word) => {
      if (word !== "text" && word !== "json") {
        socket.end(`wanted "text" or "json", found ${JSON.stringify(word)}\n`)
        return
      }
      dump().then(
        (found) => socket.end(word === "json" ? `${JSON.stringify(found)}\n` : DumpText.render(found)),
        () => socket.destroy()
      )
    })
  })
  server.maxConnections = CONNECTIONS
  server.on("error", (error) => told.onProblem(error.message))
  server.listen(path, () => {
    chmodSync(path, 0o600)
    told.onReady()
  })
}

/** The first line, once; `text` if there is none. */
const wordOf = (socket: Socket, use: (word: string) => void): void => {
  let received = ""
  let used = false
  const once = (word: string): void => {
    if (used) return
    used = true
    clearTimeout(timer)
    use(word)
  }
  const timer = setTimeout(() => once(received.trim() === "" ? "text" : received.trim()), LINE_MILLIS)
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    received = (received + chunk).slice(0, LINE_CHARACTERS)
    if (received.includes("\n") || received.length >= LINE_CHARACTERS) once(received.split("\n")[0]!.trim() || "text")
  })
  socket.on("end", () => once(received.trim() || "text"))
  socket.on("close", () => clearTimeout(timer))
}
