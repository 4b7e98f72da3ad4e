/**
 * A while of this machine that does not depend on what else it does.
 */
import { spawn } from "node:child_process"

/** Resolves when a process that does nothing but spin has used so many milliseconds of a processor. */
export const spunBeside = (millis: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const script = `
      const used = () => { const { system, user } = process.cpuUsage(); return (system + user) / 1000 }
      const from = used()
      while (used() - from < ${millis}) {}
    `
    const child = spawn(process.execPath, ["-e", script], { stdio: "ignore" })
    child.once("error", reject)
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`the spinner ended with ${code}`))))
  })

/** How long the spinner spins each time. */
export const SPUN_MILLIS = 300
/** Of that: one who waits and does nothing else is below. */
export const IDLE_MILLIS = 60
const TIMES = 6

/**
 * What this process uses of a processor meanwhile, in milliseconds: the least of some times, of which the first are those of compiling,
 * and the mean. Ends with the first time that is idle.
 */
export const usedBeside = async (): Promise<{ readonly least: number; readonly mean: number }> => {
  const used: Array<number> = []
  while (used.length < TIMES && !used.some((millis) => millis < IDLE_MILLIS)) {
    const before = process.cpuUsage()
    await spunBeside(SPUN_MILLIS)
    const { system, user } = process.cpuUsage(before)
    used.push((system + user) / 1000)
  }
  return { least: Math.min(...used), mean: used.reduce((sum, millis) => sum + millis, 0) / used.length }
}
