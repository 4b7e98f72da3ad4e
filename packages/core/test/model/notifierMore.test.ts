/**
 * The models of sleepers, deaths, slots and pools as tests. `npm run model` explores all of them, and further.
 */
import { Strategy } from "@selvedge/testing/model"
import { it } from "@selvedge/testing/vitest"
import * as Slots from "./notifierSlots.model.ts"
import * as Models from "./notifierMore.model.ts"

const bounded = { strategy: Strategy.chess({ preemptions: 1 }) }

it.model("a poller that takes one at a time never sleeps on the rest [N6]", Models.limitedSleeper)
it.model("an interrupted sleeper leaves everything to the next on its seat [N6]", Models.interruptedSleeper)
it.model("a sleeper is woken by the recovery after any death [N6] [N10]", bounded, Models.deathBesideSleeper)
it.model("a death in a full queue loses nothing of who lives [N4] [N10]", bounded, Models.deathWhenFull)
it.model(
  "pollers that die one after the other in a full queue leave one that serves [N4] [N10]",
  bounded,
  Models.pollerDeathsWhenFull
)
it.model("only one of two successors gets a dead poller's seat [N10]", bounded, Models.twoSuccessors)
it.model("three producers lose nothing [N2] [N4] [N5]", bounded, Models.threeProducers)
it.model("notify and polls of one token are linearizable [N2] [N3]", bounded, Models.linear)
it.model("a reader never sees half a record, nor an older one later [N8]", Slots.slot)
it.model("a reader beside the first writes sees nothing or all [N8]", Slots.slotNeverWritten)
it.model("of two writers one writes and the other is told so [N8]", bounded, Slots.slotTwoWriters)
it.model("a writer that dies at any step holds up neither readers nor the next writer [N8] [N10]", Slots.slotDeath)
it.model("nor does one that dies over the wrap of versions [N8] [N10]", Slots.slotDeathWrap)
it.model("nor one that is mended over the wrap [N8] [N10]", Slots.slotDeathMended)
it.model("a first writer that dies leaves a slot that was never written [N8] [N10]", Slots.slotFirstDeath)
it.model("a former owner's late notification wakes nobody [N9]", Slots.formerOwner)
it.model("a death of who notifies with a lease loses nothing of who lives [N9] [N10]", bounded, Slots.poolDeath)
