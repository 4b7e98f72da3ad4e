/**
 * A race, hunted down: `npm run race-hunt -w examples`.
 *
 * 1. An ordinary test of the hasty mailbox passes, a hundred thousand times.
 * 2. The model checker tries every order of the two threads that can make a
 *    difference, and finds one that loses a value.
 * 3. It prints it; the schedule in the print-out runs exactly that order again.
 * 4. Real worker threads, made to take the same turns, lose the value as well.
 * 5. With two lines exchanged, no order loses anything: not "none was found",
 *    but "there is none".
 */
import { explore, printReport, replayOnThreads } from "@selvedge/testing/model"
import { MAILBOX_BYTES, post, takeHasty } from "./mailbox.ts"
import * as models from "./models.ts"

/** What the hunt found out, for the test that runs it. */
export interface Hunt {
  readonly ordinaryTestPassed: boolean
  readonly schedule: string
  readonly realThreadsAgree: boolean
  readonly fixed: string
}

const ordinaryTest = (): boolean => {
  for (let i = 0; i < 100_000; i++) {
    const memory = new SharedArrayBuffer(MAILBOX_BYTES)
    post(memory, 20)
    if (takeHasty(memory) !== 20) return false
    post(memory, 21)
    if (takeHasty(memory) !== 21 || takeHasty(memory) !== undefined) return false
  }
  return true
}

export const hunt = async (say: (line: string) => void): Promise<Hunt> => {
  const ordinaryTestPassed = ordinaryTest()
  say(`1. An ordinary test, 100 000 times: ${ordinaryTestPassed ? "passed" : "failed"}.\n`)

  const found = explore(models.hasty)
  say("2. Every order of the two threads that can make a difference:\n")
  say(printReport("hasty mailbox", found))

  const schedule = found.failure?.schedule ?? ""
  const again = explore(models.hasty, { replay: schedule })
  say(`\n3. The schedule ${schedule}, run alone: ${again.failure?.message ?? "nothing happened"}.\n`)

  const onThreads = await replayOnThreads(
    { module: new URL("./models.ts", import.meta.url).href, name: "hasty" },
    schedule
  )
  say(`4. The same turns on real threads (${onThreads.steps} steps): ${onThreads.message}.\n`)

  const fixed = explore(models.careful)
  say(`5. ${printReport("careful mailbox", fixed)}`)
  return { ordinaryTestPassed, schedule, realThreadsAgree: onThreads.agrees, fixed: fixed._tag }
}

if (import.meta.main) await hunt((line) => console.log(line))
