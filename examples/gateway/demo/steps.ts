/**
 * What the demonstration shows, step by step, and what is broken on purpose so that a step can be seen to fail.
 *
 * A break is always a flaw of the service, of its surroundings or of the load, never of the one who checks.
 */
export const steps = {
  start: { shows: "the service comes up and says it is ready", broken: "its port is out of range" },
  ingest: {
    shows: "a bad line is told with its number and why, good ones are kept",
    broken: "bad lines spoil the whole body"
  },
  load: { shows: "lines of a real log arrive over sockets and are counted", broken: "the log is missing" },
  crash: {
    shows: "a killed worker is back with its shard and its file, and nothing is lost or counted twice",
    broken: "a worker that is started again is not told its number"
  },
  readiness: {
    shows: "SIGTERM turns readiness to 503 while requests are still taken",
    broken: "/ready always says yes"
  },
  closed: { shows: "then the listener is closed: new connections are refused", broken: "the listener stays open" },
  inflight: {
    shows: "a request begun before SIGTERM is answered, by a task still running",
    broken: "connections are cut"
  },
  stream: { shows: "an event stream is told goodbye and ends", broken: "the goodbye is withheld" },
  budget: { shows: "the process is gone by budget + 500 ms", broken: "the loop is blocked and the guard is off" },
  report: { shows: "the report names the planted task, and nothing else", broken: "no report is written" },
  exit: { shows: "the exit code says that the deadline was missed", broken: "it is killed on its way out" },
  snapshot: { shows: "the snapshot is whole: its counts are the acknowledged events", broken: "a row is lost" },
  restore: { shows: "a second start has it all back, and stops cleanly", broken: "it starts on another file" }
} as const

export type Step = keyof typeof steps

export const names = Object.keys(steps) as ReadonlyArray<Step>

export const isStep = (text: string): text is Step => Object.hasOwn(steps, text)
