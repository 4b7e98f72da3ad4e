/**
 * The rules of the registry written a second time, without fibers: who lives, in which state and below whom, after each step.
 *
 * A task _listens_ (ends when interrupted), is _deaf_ (ends only when told), or _heeds_ (ends when its token drains). All tasks
 * are of one kind, so a join drains all at once. Times are milliseconds.
 */
import type * as Task from "@selvedge/core/tasks/Task"

export const LAST_WORDS = 1000
export type Temper = "listens" | "deaf" | "heeds"

export interface ModelTask {
  readonly name: string
  readonly id: number
  readonly temper: Temper
  /** Drains when any of these does. */
  readonly epochs: ReadonlyArray<number>
  parent: ModelTask | undefined
  fiber: "live" | "ended"
  interrupted: boolean
  state: Task.State
  patienceUntil: number | undefined
}

export interface ModelJoin {
  deadline: number
  phase: "draining" | "lastWords" | "over"
  lastWordsUntil: number
  stragglers: ReadonlyArray<ModelTask>
  outcome: string | undefined
}

export class Model {
  now = 0
  tasks: Array<ModelTask> = []
  closed = false
  join: ModelJoin | undefined
  epoch = 0
  readonly drained = new Set<number>()
  readonly forced = new Set<number>()
  surroundingForced = false
  private nextId = 0

  get isForced(): boolean {
    return this.surroundingForced || this.forced.has(this.epoch)
  }
  children(of: ModelTask): Array<ModelTask> {
    return this.tasks.filter((one) => one.parent === of)
  }
  descendants(of: ModelTask): Array<ModelTask> {
    return this.children(of).flatMap((child) => [child, ...this.descendants(child)])
  }
  byIdDescending(tasks: ReadonlyArray<ModelTask>): Array<ModelTask> {
    return tasks.toSorted((a, b) => b.id - a.id)
  }

  /** What a spawn answers: a task, or the state that refuses it. */
  spawn(name: string, temper: Temper, caller: ModelTask | undefined, detached: boolean): "closed" | "forced" | "ok" {
    if (this.isForced) return "forced"
    if (this.closed && caller === undefined) return "closed"
    const task: ModelTask = {
      name,
      id: ++this.nextId,
      temper,
      epochs: caller !== undefined && !detached ? [...caller.epochs, this.epoch] : [this.epoch],
      parent: detached ? undefined : caller,
      fiber: "live",
      interrupted: false,
      state: "running",
      patienceUntil: undefined
    }
    this.tasks.push(task)
    this.heed()
    return "ok"
  }

  /** Those who heed end when one of their tokens has drained. */
  heed(): void {
    for (const task of [...this.tasks]) {
      const drains =
        this.surroundingForced || task.epochs.some((epoch) => this.drained.has(epoch) || this.forced.has(epoch))
      if (task.temper === "heeds" && task.fiber === "live" && drains) this.fiberEnds(task, true)
    }
  }

  fiberEnds(task: ModelTask, success: boolean): void {
    if (task.fiber === "ended") return
    task.fiber = "ended"
    const failed = !success || task.interrupted
    this.settle(task)
    if (!this.tasks.includes(task)) return
    if (task.state !== "detached") task.state = "finishing"
    if (failed) this.tearDown(task)
  }

  settle(task: ModelTask | undefined): void {
    if (task === undefined || task.fiber === "live" || this.children(task).length > 0) return
    if (!this.tasks.includes(task)) return
    task.state = "done"
    this.tasks = this.tasks.filter((one) => one !== task)
    this.settle(task.parent)
    this.joinLooks()
  }

  signal(task: ModelTask): void {
    if (task.fiber === "ended" || task.interrupted) return
    task.interrupted = true
    if (task.state === "running") task.state = "interrupting"
    if (task.temper !== "deaf") this.fiberEnds(task, false)
  }

  tearDown(task: ModelTask): void {
    for (const child of this.byIdDescending(this.descendants(task))) this.signal(child)
    if (task.state === "done") return
    for (let one: ModelTask | undefined = task; one !== undefined; one = one.parent) {
      if (one.patienceUntil !== undefined) return
    }
    task.patienceUntil = this.now + LAST_WORDS
  }

  abort(task: ModelTask): void {
    for (const child of this.byIdDescending(this.descendants(task))) this.signal(child)
    this.signal(task)
    if (task.state !== "done" && task.fiber === "ended") this.tearDown(task)
  }

  detach(task: ModelTask): void {
    if (task.fiber === "ended" || task.state === "detached") return
    const { parent } = task
    task.state = "detached"
    task.parent = undefined
    this.settle(parent)
  }

  letGo(task: ModelTask): void {
    task.patienceUntil = undefined
    for (const child of this.byIdDescending(this.descendants(task))) {
      if (child.fiber === "live" && child.parent?.fiber === "ended") this.detach(child)
    }
  }

  joinAll(millis: number): void {
    const deadline = this.now + millis
    if (this.join === undefined) {
      this.closed = true
      this.join = { deadline, phase: "draining", lastWordsUntil: 0, stragglers: [], outcome: undefined }
      // Without any time nobody is told before the deadline.
      if (millis > 0) this.drained.add(this.epoch)
      this.heed()
    } else if (this.join.phase === "draining" && deadline < this.join.deadline) this.join.deadline = deadline
    this.joinLooks()
  }

  /** What the run of a join does when something has changed. */
  joinLooks(): void {
    const { join } = this
    if (join === undefined || join.phase === "over") return
    if (join.phase === "draining") {
      if (this.tasks.length === 0) {
        join.phase = "over"
        join.outcome = "joined"
      } else if (this.isForced || this.now >= join.deadline) {
        join.phase = "lastWords"
        join.lastWordsUntil = (this.now >= join.deadline ? join.deadline : this.now) + LAST_WORDS
        join.stragglers = [...this.tasks]
        this.forced.add(this.epoch)
        this.heed()
        for (const task of this.byIdDescending(this.tasks)) this.signal(task)
        this.joinLooks()
      }
    } else if (this.tasks.length === 0 || this.now >= join.lastWordsUntil) {
      join.phase = "over"
      for (const task of join.stragglers) this.detach(task)
      join.outcome = join.stragglers
        .map((task) => `${task.name}:${task.state === "done" ? "interrupted" : "detached"}`)
        .join(" ")
    }
  }

  reopen(): "joining" | "ok" {
    if (this.join !== undefined && this.join.phase !== "over") return "joining"
    if (this.join !== undefined) this.epoch++
    this.join = undefined
    this.closed = this.isForced
    return "ok"
  }

  force(): void {
    if (this.surroundingForced) return
    this.surroundingForced = true
    this.closed = true
    const joined = this.join !== undefined && this.join.phase !== "over"
    // The run takes its stragglers before anybody hears of the force.
    if (joined) return this.forceJoining()
    this.heed()
    for (const task of this.byIdDescending(this.tasks)) this.signal(task)
    for (const task of [...this.tasks]) if (task.fiber === "ended") this.tearDown(task)
  }

  private forceJoining(): void {
    this.heed()
    this.joinLooks()
  }

  advance(millis: number): void {
    const end = this.now + millis
    while (true) {
      const due = this.tasks.flatMap((task) => (task.patienceUntil === undefined ? [] : [task.patienceUntil]))
      if (this.join?.phase === "draining") due.push(this.join.deadline)
      if (this.join?.phase === "lastWords") due.push(this.join.lastWordsUntil)
      const next = Math.min(...due, end + 1)
      if (next > end) break
      this.now = Math.max(this.now, next)
      for (const task of [...this.tasks]) if (task.patienceUntil === next) this.letGo(task)
      this.joinLooks()
    }
    this.now = end
  }

  rows(): ReadonlyArray<string> {
    return this.tasks.map((task) => `${task.name} ${task.state} < ${task.parent?.name ?? "-"}`)
  }
}
