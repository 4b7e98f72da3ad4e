/**
 * The other side of `thread-stream`: counts the bytes, and the lines that are not as long as they should be.
 */
import { Writable } from "node:stream"

export default (options: { readonly done: SharedArrayBuffer; readonly bytes: number }): Writable => {
  const counts = new Float64Array(options.done)
  return new Writable({
    write(chunk: Buffer, _encoding, callback) {
      const before = counts[0]!
      // Chunks are cut anywhere; a line ends where a record does.
      for (let at = options.bytes - 1 - (before % options.bytes); at < chunk.length; at += options.bytes) {
        if (chunk[at] !== 10) counts[1]! += 1
      }
      counts[0] = before + chunk.length
      callback()
    }
  })
}
