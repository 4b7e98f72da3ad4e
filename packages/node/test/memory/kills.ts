/**
 * `npm run kills`: the kill loop, for so many kills or seconds.
 *
 * Options: `--kills N` (1000), `--seconds N` (600), `--seed N` (random, printed), `--recovery off`: nobody recovers anything, and the loop has
 * to fail. Prints one line of JSON. Exit code 1 on a violation, and with recovery off if there was none.
 */
import { randomInt } from "node:crypto"
import { parseArgs } from "node:util"
import { runLoop } from "./killLoop/loop.ts"

const number = (name: string, text: string): number => {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0 && value <= 2 ** 31) return value
  throw new RangeError(`--${name} wants a whole number from 1 to 2^31, found "${text}"`)
}

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "1000" },
    seconds: { type: "string", default: "600" },
    seed: { type: "string", default: String(randomInt(1, 2 ** 31)) },
    recovery: { type: "string", default: "on" }
  }
})

if (values.recovery !== "on" && values.recovery !== "off") {
  throw new RangeError(`--recovery wants "on" or "off", found "${values.recovery}"`)
}
const recovery = values.recovery === "on"
const [kills, seconds, seed] = (["kills", "seconds", "seed"] as const).map((name) => number(name, values[name])) as [
  number,
  number,
  number
]
const result = await runLoop({ kills, seconds, seed, recovery })
const line = { name: "kills", seed, recovery, ...result }
process.stdout.write(`${JSON.stringify(line)}\n`, () => process.exit(result.violations.length > 0 === recovery ? 1 : 0))
