/** The other process of the baselines. */
import { createServer } from "node:net"

const [kind, role = "", records = "0"] = process.argv.slice(2)

const take = (): void => {
  let count = 0
  let sum = 0
  process.on("message", (batch: ReadonlyArray<number>) => {
    for (const n of batch) {
      sum += n
      count++
    }
    const all = Number(records)
    if (count === all) process.send?.(sum === (all * (all - 1)) / 2 ? count : -1)
  })
}

const echo = (): void => {
  process.on("message", (message) => void process.send?.(message))
}

if (kind === "ipc") {
  if (role === "take") take()
  else echo()
  process.send?.("ready")
} else {
  const server = createServer((socket) => socket.on("data", (data) => socket.write(data)))
  server.listen(role, () => process.send?.("ready"))
}
