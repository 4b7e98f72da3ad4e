/**
 * The handles that one test opened and did not close.
 *
 * Counting what the process has open before and after says too little: the test
 * runner opens and closes timers of its own meanwhile, and hides a leak or invents
 * one. So a hook hears of every handle that is opened and closed, and the async
 * context tells whose it is: everything a test starts, also in later callbacks,
 * carries the test's mark.
 *
 * **Invariants**
 *
 * 1. Only handles opened under the mark are listed, and no unreferenced ones: these
 *    keep no process alive.
 * 2. The hook is off when no check is running.
 *
 * @internal
 */
import { AsyncLocalStorage, createHook } from "node:async_hooks"

/** What keeps a process alive or holds something of the system, as `async_hooks` calls it. */
const KINDS: ReadonlySet<string> = new Set([
  "Timeout",
  "TCPWRAP",
  "TCPSERVERWRAP",
  "PIPEWRAP",
  "PIPESERVERWRAP",
  "UDPWRAP",
  "PROCESSWRAP",
  "SIGNALWRAP",
  "TTYWRAP",
  "FSEVENTWRAP",
  "STATWATCHER",
  "FILEHANDLE",
  "DIRHANDLE",
  "MESSAGEPORT",
  "WORKER"
])

interface Handle {
  readonly owner: Handles
  readonly kind: string
  readonly place: string
  readonly resource: { readonly hasRef?: () => boolean }
}

const opened = new Map<number, Handle>()
const mark = new AsyncLocalStorage<Handles>()
let running = 0

const hook = createHook({
  init(id, kind, _trigger, resource) {
    if (!KINDS.has(kind)) return
    const owner = mark.getStore()
    if (owner !== undefined) opened.set(id, { owner, kind, place: place(), resource })
  },
  destroy(id) {
    opened.delete(id)
  }
})

export class Handles {
  /** Runs `f`; what it opens, now or in later callbacks, is this one's. */
  under<A>(f: () => A): A {
    return mark.run(this, f)
  }

  start(): void {
    if (running++ === 0) hook.enable()
  }

  stop(): void {
    for (const [id, handle] of opened) if (handle.owner === this) opened.delete(id)
    if (--running === 0) hook.disable()
  }

  /** What is open, as `Timeout (file.ts:12)`. */
  list(ignore: ReadonlyArray<string>): ReadonlyArray<string> {
    return Array.from(opened.values())
      .filter(
        (handle) => handle.owner === this && !ignore.includes(handle.kind) && handle.resource.hasRef?.() !== false
      )
      .map((handle) => `${handle.kind}${handle.place}`)
  }
}

/** The line of the caller that is neither Node's, nor a dependency's, nor this file's. */
const place = (): string => {
  const frames = (new Error("where").stack ?? "").split("\n").slice(1)
  const own = frames.find((line) => !/node:|node_modules|internal\/handles\.|<anonymous>/.test(line))
  const file = own === undefined ? undefined : /([^/\\(]+:\d+):\d+\)?$/.exec(own)?.[1]
  return file === undefined ? "" : ` (${file})`
}
