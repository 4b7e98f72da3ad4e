/**
 * What can go wrong with a task registry. Each error carries facts; its message says what was wanted and what was found.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { label, quote } from "../internal/quote.ts"
import { Straggler } from "../shutdown/Straggler.ts"

/**
 * A spawn came too late: the registry takes no new tasks.
 *
 * **Details**
 *
 * `closed`: new roots are refused, live tasks may still spawn children. `forced`: every spawn is refused; from here the
 * tree only shrinks.
 *
 * @category errors
 * @since 0.1.0
 */
export class RegistryClosed extends Schema.TaggedError<RegistryClosed>()("RegistryClosed", {
  name: Schema.String,
  kind: Schema.String,
  state: Schema.Literals(["closed", "forced"])
}) {
  override get message(): string {
    return this.state === "forced"
      ? `task ${quote(this.name)} (${label(this.kind)}) was not started: the registry is forced to stop and takes no task any more`
      : `task ${quote(this.name)} (${label(this.kind)}) was not started: the registry is closed and takes only children of live tasks`
  }
}

/**
 * A spawn came when its kind had as many live tasks as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskLimitReached extends Schema.TaggedError<TaskLimitReached>()("TaskLimitReached", {
  name: Schema.String,
  kind: Schema.String,
  limit: Schema.Int
}) {
  override get message(): string {
    return `task ${quote(this.name)} was not started: ${this.limit} task(s) of kind ${label(this.kind)} are live, which is the limit`
  }
}

/**
 * A task was described in a way that cannot be.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidTask extends Schema.TaggedError<InvalidTask>()("InvalidTask", {
  field: Schema.String,
  value: Schema.String,
  allowed: Schema.String
}) {
  override get message(): string {
    return `a task's ${this.field}: wanted ${this.allowed}, found ${this.value}`
  }
}

/**
 * Everything a spawn may fail with.
 *
 * @category errors
 * @since 0.1.0
 */
export type SpawnError = RegistryClosed | TaskLimitReached | InvalidTask

/**
 * `reopen` came while a join was running.
 *
 * @category errors
 * @since 0.1.0
 */
export class RegistryJoining extends Schema.TaggedError<RegistryJoining>()("RegistryJoining", {
  live: Schema.Int
}) {
  override get message(): string {
    return `the registry cannot be reopened while it is being joined; ${this.live} task(s) are still live`
  }
}

/**
 * A join whose tasks did not all end in time.
 *
 * **Details**
 *
 * `pending` names exactly the tasks that were still running when the deadline came (or when the stop was forced), and
 * what became of each. The join had ended by the deadline plus the last words, whatever they did.
 *
 * @category errors
 * @since 0.1.0
 */
export class ShutdownDeadlineExceeded extends Schema.TaggedError<ShutdownDeadlineExceeded>()(
  "ShutdownDeadlineExceeded",
  {
    /** From the start of the join to its deadline. */
    deadlineMillis: Schema.Finite,
    cause: Schema.Literals(["deadline", "forced"]),
    pending: Schema.Array(Straggler)
  }
) {
  override get message(): string {
    const names = this.pending
      .slice(0, 10)
      .map((one) => `${quote(one.name)} (${label(one.kind)} #${one.id}, ${one.state})`)
    const more = this.pending.length > 10 ? ` … and ${this.pending.length - 10} more` : ""
    const when = this.cause === "forced" ? "when the stop was forced" : `after ${this.deadlineMillis} ms`
    return `${this.pending.length} task(s) still running ${when}: ${names.join(", ")}${more}`
  }
}
