/**
 * The models of the notifier's queue as tests: those that are exhausted within seconds. `npm run model` runs all.
 */
import { Strategy } from "@selvedge/testing/model"
import { it } from "@selvedge/testing/vitest"
import * as Models from "./notifier.model.ts"

it.model(
  "two producers conflate one token and lose nothing, over the wrap of serials [N1] [N2] [N5] [flaw N5]",
  Models.sameToken
)
// `npm run model` exhausts those that are bounded here.
const bounded = { strategy: Strategy.chess({ preemptions: 2 }) }

it.model("two producers with two tokens each lose nothing [N2] [N3] [N4]", bounded, Models.differentTokens)
it.model("a limited poll hands out first what was queued first [N3] [N4]", Models.firstQueuedFirstOut)
it.model("a poller that sleeps misses no wake-up [N6]", Models.sleeping)
it.model("a sleep that is given up leaves nothing behind that could miss a wake-up [N6]", Models.sleepingWithTimeout)
it.model("a recovery under a limit of one loses nothing [N4] [N10]", bounded, Models.rescanUnderLimit)
it.model("a queue that recoveries have filled falls back to the flags [N4] [N10]", bounded, Models.fullByRecovery)
it.model("a producer that dies at any step holds nobody up [N10]", bounded, Models.deathOfProducer)
it.model("two producers that die at any step leave a queue that serves [N10]", Models.deathOfTwoProducers)
it.model("a poller that dies at any step leaves what was queued to the next [N10]", Models.deathOfPoller)
it.model("a death behind a walk under way begins the walk again [N4] [N10]", Models.deathDuringWalk)
