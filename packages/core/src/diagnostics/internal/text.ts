/**
 * Short texts in words of shared memory: UTF-8, four bytes a word, cut at the end of a character.
 *
 * Written by hand, because `TextEncoder` wants bytes and a table has words: accesses of two sizes to one place have no order, and the model
 * checker refuses them.
 *
 * **Invariants**
 *
 * 1. A text that does not fit is cut between two characters and marked as cut. Half of a surrogate pair becomes U+FFFD.
 * 2. `TextCache.at` allocates nothing but a key in a map of at most as many texts as it was made for.
 *
 * @internal
 */

/** Set in the length of a text that was cut. */
export const CUT = 0x100

/** Bytes of a code point in UTF-8. */
const bytesOf = (code: number): number => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4)

const put = (to: Int32Array, from: number, at: number, byte: number): void => {
  const word = from + (at >>> 2)
  to[word] = to[word]! | (byte << ((at & 3) << 3))
}

const codeAt = (text: string, i: number): number => {
  const code = text.codePointAt(i)!
  return code >= 0xd800 && code <= 0xdfff ? 0xfffd : code
}

/** Bytes of a text in UTF-8. */
export const byteLength = (text: string): number => {
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const code = codeAt(text, i)
    bytes += bytesOf(code)
    if (code > 0xffff) i++
  }
  return bytes
}

/** Writes a text into `count` words from `from` on; gives its bytes, with `CUT` if it was cut. */
export const encode = (text: string, to: Int32Array, from: number, count: number): number => {
  to.fill(0, from, from + count)
  const room = count * 4
  let at = 0
  for (let i = 0; i < text.length; i++) {
    const code = codeAt(text, i)
    const bytes = bytesOf(code)
    if (at + bytes > room) return at | CUT
    if (bytes === 1) {
      put(to, from, at, code)
    } else {
      put(to, from, at, ((0xf00 >> bytes) & 0xff) | (code >> ((bytes - 1) * 6)))
      for (let rest = bytes - 2; rest >= 0; rest--)
        put(to, from, at + bytes - 1 - rest, 0x80 | ((code >> (rest * 6)) & 63))
      if (bytes === 4) i++
    }
    at += bytes
  }
  return at
}

const byteAt = (words: Int32Array, from: number, at: number): number =>
  (words[from + (at >>> 2)]! >>> ((at & 3) << 3)) & 0xff

/** The text of a length that `encode` gave, from words nobody changes. */
export const decode = (words: Int32Array, from: number, length: number): string => {
  const bytes = length & 0xff
  let text = ""
  for (let at = 0; at < bytes;) {
    const first = byteAt(words, from, at)
    const size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    let code = size === 1 ? first : first & (0x7f >> size)
    for (let i = 1; i < size; i++) code = (code << 6) | (byteAt(words, from, at + i) & 63)
    text += String.fromCodePoint(Math.min(code, 0x10ffff))
    at += size
  }
  return text
}

/** Texts that come again and again, in the words they take: a register copies words instead of encoding. */
export class TextCache {
  /** Blocks of a length and the words of a text; the last one is for texts that the cache has no place for. */
  readonly words: Int32Array
  private readonly count: number
  private readonly entries: number
  private readonly places = new Map<string, number>()
  private lastText: string | undefined = undefined
  private lastPlace = 0

  constructor(count: number, entries: number) {
    this.count = count
    this.entries = entries
    this.words = new Int32Array((entries + 1) * (count + 1))
  }

  /** Where in `words` the length of a text stands, its words after it. Good until the next call. */
  at(text: string): number {
    if (text === this.lastText) return this.lastPlace
    const place = this.places.get(text) ?? this.add(text)
    this.lastText = text
    return (this.lastPlace = place)
  }

  private add(text: string): number {
    const { count, entries, places, words } = this
    const place = Math.min(places.size, entries) * (count + 1)
    words[place] = encode(text, words, place + 1, count)
    if (places.size < entries) places.set(text, place)
    return place
  }
}
