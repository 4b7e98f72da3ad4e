/**
 * Where the lines come from: a file or stdin if one is named, else a log this machine keeps anyway.
 *
 * | argument | source                                                                           |
 * | -------- | -------------------------------------------------------------------------------- |
 * | a path   | that file; `.gz` is unpacked                                                     |
 * | `-`      | stdin                                                                            |
 * | none     | `/var/log/dpkg.log`, its predecessors, the journal, else the file of `--fallback` |
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { spawn, spawnSync } from "node:child_process"
import { createReadStream, existsSync, statSync } from "node:fs"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import { createGunzip } from "node:zlib"

export class NoLog extends Data.TaggedError("NoLog")<{ readonly why: string }> {
  override get message(): string {
    return this.why
  }
}

export interface LogSource {
  readonly name: string
  readonly lines: Stream.Stream<string, NoLog>
}

const DPKG = ["/var/log/dpkg.log", "/var/log/dpkg.log.1", "/var/log/dpkg.log.2.gz"]

export const find = (argument: string | undefined, fallback: string | undefined): Effect.Effect<LogSource, NoLog> =>
  Effect.suspend(() => {
    if (argument === "-") return Effect.succeed({ name: "stdin", lines: linesOf("stdin", () => process.stdin) })
    if (argument !== undefined) return Effect.succeed(file(argument))
    const own = DPKG.find((path) => existsSync(path) && statSync(path).size > 0)
    if (own !== undefined) return Effect.succeed(file(own))
    if (hasJournal()) return Effect.succeed({ name: "the journal", lines: linesOf("the journal", journal) })
    const none = `this machine has no log to send (looked for ${DPKG.join(", ")} and the journal)`
    if (fallback === undefined) {
      return Effect.fail(new NoLog({ why: `${none}: name a file, or - for stdin` }))
    }
    return Effect.as(Effect.logWarning(`${none}: sending ${fallback} instead`), file(fallback))
  })

const file = (path: string): LogSource => ({
  name: path,
  lines: linesOf(path, () => {
    const bytes = createReadStream(path)
    if (!path.endsWith(".gz")) return bytes
    // `pipe` does not carry errors on.
    const unpacked = createGunzip()
    bytes.on("error", (error) => unpacked.destroy(error))
    return bytes.pipe(unpacked)
  })
})

const hasJournal = (): boolean => {
  const found = spawnSync("journalctl", ["--quiet", "--lines=1", "--output=short-iso"], { encoding: "utf8" })
  return found.status === 0 && found.stdout.trim() !== ""
}

const journal = (): Readable =>
  spawn("journalctl", ["--quiet", "--no-pager", "--lines=50000", "--output=short-iso"], {
    stdio: ["ignore", "pipe", "ignore"]
  }).stdout

const linesOf = (name: string, open: () => Readable): Stream.Stream<string, NoLog> =>
  Stream.suspend(() =>
    Stream.fromAsyncIterable(
      read(open()),
      (error) => new NoLog({ why: `${name} cannot be read: ${error instanceof Error ? error.message : String(error)}` })
    )
  ).pipe(Stream.filter((line) => line.trim() !== ""))

/** Readline hides errors of its input; a pipe through an iterator of our own does not. */
async function* read(input: Readable): AsyncGenerator<string> {
  const lines = createInterface({ input, crlfDelay: Infinity })
  const failed = new Promise<never>((_, reject) => input.on("error", reject))
  failed.catch(() => {})
  const iterator = lines[Symbol.asyncIterator]()
  try {
    while (true) {
      const next = await Promise.race([iterator.next(), failed])
      if (next.done === true) return
      yield next.value
    }
  } finally {
    lines.close()
    input.destroy()
  }
}
