/**
 * One handle that keeps the event loop turning while anybody holds it.
 *
 * Counted, so that a hundred holders cost one timer. The timer fires every 24 days and does nothing.
 *
 * @internal
 */
const LONGEST_MILLIS = 2 ** 31 - 1

let holders = 0
let timer: ReturnType<typeof setInterval> | undefined

export const hold = (): void => {
  holders += 1
  timer ??= setInterval(() => {}, LONGEST_MILLIS)
}

/** Takes back one `hold`. */
export const release = (): void => {
  holders -= 1
  if (holders === 0) letGo()
}

/** Lets the loop go whoever holds it: the process is about to end. */
export const letGo = (): void => {
  clearInterval(timer)
  timer = undefined
}
