/**
 * `npm run kills`: the kill loop, for so many kills or seconds.
 *
 * Options: `--kills N` (1000), `--seconds N` (600), `--seed N` (random, printed), `--owner`: the owner of the space is killed now and then, too;
 * `--recovery off`: nobody recovers anything, and the loop has to fail. Prints one line of JSON. Exit code 1 on a violation, and with recovery off if there was none.
 */
import { randomInt } from "node:crypto"
import { parseArgs } from "node:util"
import { positive, readOrExit, WrongArgument } from "../../../../scripts/internal/arguments.ts"
import { runLoop } from "./killLoop/loop.ts"

const { kills, owner, recovery, seconds, seed } = readOrExit("kills", () => {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "1000" },
      seconds: { type: "string", default: "600" },
      seed: { type: "string", default: String(randomInt(1, 2 ** 31)) },
      recovery: { type: "string", default: "on" },
      owner: { type: "boolean", default: false }
    }
  })
  if (values.recovery !== "on" && values.recovery !== "off") {
    throw new WrongArgument(`--recovery wants "on" or "off", found "${values.recovery}"`)
  }
  return {
    recovery: values.recovery === "on",
    owner: values.owner,
    kills: positive("kills", values.kills, "whole"),
    seconds: positive("seconds", values.seconds, "whole"),
    seed: positive("seed", values.seed, "whole")
  }
})
const result = await runLoop({ kills, seconds, seed, recovery, owner })
const line = { name: "kills", seed, recovery, ...result }
process.stdout.write(`${JSON.stringify(line)}\n`, () => process.exit(result.violations.length > 0 === recovery ? 1 : 0))
