/**
 * A real timer for the places where something outside of the program is waited for: a thread, a process, a channel.
 *
 * Virtual time has nothing to say about those, so they are not asked to wait by it. A timer keeps no process alive.
 *
 * @internal
 */
export const after = (millis: number, then: () => void): (() => void) => {
  const timer = setTimeout(then, millis)
  timer.unref()
  return () => clearTimeout(timer)
}
