/**
 * Bytes into numbered lines, with a bound on how much of a line is kept.
 *
 * Pushed chunk by chunk, so a body of any size needs the memory of one line. A line may end in LF or CR LF; the last one
 * needs no end. Blank lines count for the numbers and are otherwise skipped.
 */

export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly problem: string }

const LF = 10

export class Lines {
  private readonly maxBytes: number
  private readonly decoder = new TextDecoder("utf-8", { fatal: true })
  private parts: Array<Uint8Array> = []
  private bytes = 0
  private number = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** The lines that end in this chunk. */
  push(chunk: Uint8Array): ReadonlyArray<Line> {
    const lines: Array<Line> = []
    let start = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      this.keep(chunk.subarray(start, end))
      this.finish(lines)
      start = end + 1
    }
    this.keep(chunk.subarray(start))
    return lines
  }

  /** The last line, if the input did not end in a line break. */
  end(): ReadonlyArray<Line> {
    const lines: Array<Line> = []
    if (this.bytes > 0) this.finish(lines)
    return lines
  }

  private keep(part: Uint8Array): void {
    this.bytes += part.length
    // Past the bound only the length is of interest.
    if (part.length > 0 && this.bytes <= this.maxBytes) this.parts.push(part)
  }

  private finish(lines: Array<Line>): void {
    const { bytes, parts } = this
    const number = ++this.number
    this.parts = []
    this.bytes = 0
    if (bytes > this.maxBytes) {
      lines.push({ number, problem: `wanted at most ${this.maxBytes} bytes in a line, found ${bytes}` })
      return
    }
    try {
      const text = this.decoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts)).trim()
      if (text !== "") lines.push({ number, text })
    } catch {
      lines.push({ number, problem: "wanted UTF-8, found other bytes" })
    }
  }
}
