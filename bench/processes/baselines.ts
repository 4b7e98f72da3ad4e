/**
 * What else carries records between processes: the channel of child_process, and a Unix socket. Used as their documentation advises.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { check, percentiles, type Sample } from "../harness.ts"

const start = async (...args: ReadonlyArray<string>): Promise<ChildProcess> => {
  const child = fork(new URL("./baselinesOther.ts", import.meta.url), args)
  await once(child, "message")
  return child
}

/** Millions of records a second, 64 in a message. */
export const ipcThroughput = async (records: number): Promise<number> => {
  const child = await start("ipc", "take", String(records))
  const answer = once(child, "message")
  const begin = performance.now()
  for (let next = 0; next < records; next += 64) {
    const batch = Array.from({ length: 64 }, (_, i) => next + i)
    // Back-pressure: `false` asks to wait until what was sent has gone.
    if (!child.send(batch)) await new Promise<void>((resolve) => child.send([], () => resolve()))
  }
  const [taken] = await answer
  const seconds = (performance.now() - begin) / 1000
  child.kill()
  check(taken === records, `${records} are taken, found ${String(taken)}`)
  return records / seconds / 1e6
}

export const ipcRoundTrip = async (trips: number): Promise<Sample> => {
  const child = await start("ipc", "echo")
  const times: Array<number> = []
  for (let i = 0; i < trips; i++) {
    const begin = performance.now()
    child.send(i)
    const [n] = await once(child, "message")
    if (i > trips / 4) times.push((performance.now() - begin) * 1000)
    check(n === i, `the echo of ${i}, found ${String(n)}`)
  }
  child.kill()
  return percentiles(times)
}

export const socketRoundTrip = async (trips: number): Promise<Sample> => {
  const folder = mkdtempSync(path.join(tmpdir(), "selvedge-bench-"))
  const file = path.join(folder, "socket")
  const child = await start("socket", file)
  const socket = connect(file)
  await once(socket, "connect")
  const times: Array<number> = []
  const message = Buffer.alloc(8)
  for (let i = 0; i < trips; i++) {
    const begin = performance.now()
    message.writeDoubleLE(i)
    socket.write(message)
    const [answer] = (await once(socket, "data")) as [Buffer]
    if (i > trips / 4) times.push((performance.now() - begin) * 1000)
    check(answer.readDoubleLE() === i, `the echo of ${i}`)
  }
  socket.destroy()
  child.kill()
  rmSync(folder, { recursive: true })
  return percentiles(times)
}
