/**
 * Reads a TypeScript source just far enough to tell code, comments and strings
 * apart, so that a check never trips over an import in a comment.
 *
 * **Invariants**
 *
 * 1. `code` has the length and the line breaks of the text: an offset in one is
 *    the same offset in the other. Comments and the insides of strings,
 *    templates and regular expressions are blanks; quotes stay.
 * 2. What stands in a template's `${…}` is code.
 *
 * A `/` starts a regular expression where a value may start; that is decided by
 * what stands before it, which is right for code as a formatter leaves it.
 *
 * @internal
 */

/** A string or template literal: offsets of its quotes, and what stands between them. */
export interface Literal {
  readonly start: number
  readonly end: number
  readonly value: string
}

export interface Source {
  readonly text: string
  readonly code: string
  readonly literals: ReadonlyArray<Literal>
}

const valueMayStartAfter =
  /(?:^|[(,=:[!&|?{};+\-*%~^<>\n]|\b(?:return|typeof|case|in|of|yield|await|do|else|void|delete))\s*$/

/** Separates code, comments and literals of one file. */
export const read = (text: string): Source => {
  const code = text.split("")
  const literals: Array<Literal> = []
  // One entry per open template: how many braces are open in its current `${`.
  const templates: Array<{ readonly start: number; braces: number }> = []
  const blank = (from: number, to: number): void => {
    for (let k = from; k < to; k++) if (code[k] !== "\n") code[k] = " "
  }
  const endOf = (closing: RegExp, from: number): number => {
    closing.lastIndex = from
    const found = closing.exec(text)
    return found === null ? text.length : found.index + found[0].length
  }
  /** From inside a template at `from` to its end or its next `${`; answers where code goes on. */
  const templateFrom = (start: number, from: number): number => {
    const stop = endOf(/(?:\\[\s\S]|[^\\`$]|\$(?!\{))*/y, from)
    blank(from, stop)
    if (text[stop] === "$") {
      templates.push({ start, braces: 0 })
      return stop + 2
    }
    literals.push({ start, end: stop, value: text.slice(start + 1, stop) })
    return stop + 1
  }
  let i = 0
  while (i < text.length) {
    const char = text[i]
    const pair = text.slice(i, i + 2)
    if (pair === "//" || pair === "/*") {
      const end = pair === "//" ? endOf(/$/gm, i) : endOf(/\*\//g, i + 2)
      blank(i, end)
      i = end
    } else if (char === '"' || char === "'") {
      const end = endOf(char === '"' ? /(?:\\[\s\S]|[^\\"\n])*/y : /(?:\\[\s\S]|[^\\'\n])*/y, i + 1)
      literals.push({ start: i, end, value: text.slice(i + 1, end) })
      blank(i + 1, end)
      i = end + 1
    } else if (char === "`") {
      i = templateFrom(i, i + 1)
    } else if (char === "/" && valueMayStartAfter.test(code.slice(Math.max(0, i - 40), i).join(""))) {
      const end = endOf(/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])*/y, i + 1)
      blank(i + 1, end)
      i = end + 1
    } else {
      const open = templates.at(-1)
      if (open !== undefined && char === "{") open.braces++
      if (open !== undefined && char === "}") {
        if (open.braces === 0) {
          templates.pop()
          i = templateFrom(open.start, i + 1)
          continue
        }
        open.braces--
      }
      i++
    }
  }
  return { text, code: code.join(""), literals }
}

/** The line number of an offset, from 1. */
export const lineAt = (text: string, offset: number): number => text.slice(0, offset).split("\n").length

/** A module named by an import, export, dynamic import or `new URL(…, import.meta.url)`. */
export interface Import {
  readonly specifier: string
  readonly line: number
  /** Named as a file to load elsewhere or later; whoever names it does not depend on what is in it. */
  readonly byUrl: boolean
}

const beforeSpecifier =
  /(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\(|\bimport\.meta\.resolve\s*\(|\bnew\s+URL\s*\()\s*$/

/** Every module a file names, in order. */
export const importsOf = (source: Source): ReadonlyArray<Import> =>
  source.literals.flatMap((literal) => {
    const before = beforeSpecifier.exec(source.code.slice(Math.max(0, literal.start - 60), literal.start))
    if (before === null) return []
    const byUrl = /^(?:new|import\.meta)/.test(before[0])
    return [{ specifier: literal.value, line: lineAt(source.text, literal.start), byUrl }]
  })
