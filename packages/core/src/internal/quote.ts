/**
 * Words of users inside lines for people.
 *
 * A name with a line break must not forge a second log line, and one with a terminal's control codes must not recolour
 * the operator's screen; both are escaped, and the rest is shown as it is.
 *
 * @internal
 */

/** Control codes that JSON leaves as they are, and the two line breaks of Unicode. */
const unsafe = /[\u007f-\u009f\u2028\u2029]/g

const escape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`

/** In double quotes, on one line. */
export const quote = (text: string): string => JSON.stringify(text).replace(unsafe, escape)

/** As it is when it is a plain word, else in quotes: for kinds and other labels. */
export const label = (text: string): string => (/^[\w.:/-]+$/.test(text) ? text : quote(text))
