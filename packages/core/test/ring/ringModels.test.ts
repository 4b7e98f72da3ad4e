/**
 * The smallest models of the ring's internals, in every order or, where that takes longer than a test may, with at most two
 * preemptions; `npm run model -- --only ring` explores all of them to their end.
 */
import { type ExploreOptions, Strategy } from "@selvedge/testing/model"
import { it } from "@selvedge/testing/vitest"
import { describe } from "vitest"
import * as Tally from "../model/commonWide.model.ts"
import * as Counters from "../model/ringCounters.model.ts"
import * as Close from "../model/ringClose.model.ts"
import * as Death from "../model/ringDeath.model.ts"
import * as Members from "../model/ringMembers.model.ts"
import * as Basic from "../model/ring.model.ts"

/** Real time; the longest of these takes a few seconds alone. */
const LIMIT = 120_000

const quick: ExploreOptions = { strategy: Strategy.chess({ preemptions: 2 }), maxExecutions: 10_000 }
/** Every order as far as it goes: enough to meet what a recovery that is wrong leaves behind. */
const begun: ExploreOptions = { maxExecutions: 20_000 }

describe("claim, publish and take", () => {
  it.model(
    "one producer's records arrive once and in order, over the end of 32 bits [R2] [R4]",
    Basic.singleTurn,
    LIMIT
  )
  it.model("batches over the end of the slots arrive whole, taken in parts [R2] [R4]", Basic.singleBatches, LIMIT)
  it.model("two producers' records arrive once, each producer's in order [R3]", Basic.sharedRoomy, LIMIT)
  it.model("a batch is seen whole or not at all [R2] [R3]", quick, Basic.wholeBatches, LIMIT)
  it.model(
    "an unpublished claim is not overwritten when nobody is seated [R3] [R7]",
    quick,
    Basic.sharedUnobserved,
    LIMIT
  )
})

describe("the tally of many threads", () => {
  it.model("counts beyond half a turn and a whole one, for every reader [R13]", Tally.half, LIMIT)
  it.model("counts beyond 32 bits, though one who adds dies at any step [R13]", Tally.crash, LIMIT)
  it.model("left behind by the dead, is put right long before it is misread [R13]", Tally.mended, LIMIT)
})

describe("seats", () => {
  it.model(
    "a late joiner's first record is kept from two producers [R7] [flaw R7: late join]",
    quick,
    Members.lateJoinShared,
    LIMIT
  )
  it.model(
    "a late joiner's first record is kept from a producer that looked at the seats before, and moves far [R7]",
    quick,
    Members.lateJoinBatches,
    LIMIT
  )
  it.model("of two consumers with one id, one is refused [R7] [flaw R7: shared cursor]", Members.sameId, LIMIT)
  it.model(
    "the seat of a dead consumer is given up and the producer goes on [R7] [flaw R7: dead consumer]",
    quick,
    Members.seatGivenUp,
    LIMIT
  )
  it.model("a detached consumer keeps only whole copies [R7]", Members.detach, LIMIT)
  it.model("a drop-oldest reader keeps only whole copies [R7]", quick, Members.dropOldestShared, LIMIT)
  it.model("history is read whole, or counted as a gap [R7] [R8]", quick, Members.history, LIMIT)
})

describe("ends", () => {
  it.model("what was published before the close is taken before the end [R12]", quick, Close.closeAlone, LIMIT)
  it.model("a sleeping producer is freed by the close [R12]", Close.closeBlocked, LIMIT)
  it.model("neither side sleeps through what it waits for [R10]", quick, Close.park, LIMIT)
  it.model(
    "a producer that took its intent back wakes who fell asleep because of it [R3] [R10]",
    Close.withdrawn,
    LIMIT
  )
  it.model("a buried record is passed [R2]", Close.buriedAlone, LIMIT)
  it.model("a leased record stays as it is [R5]", Close.lease, LIMIT)
})

describe("deaths", () => {
  it.model("the hole of the only producer is filled [R3]", Death.alone, LIMIT)
  it.model("no hole is left over a lap, and no published record is filled [R3]", Death.oneOverLap, LIMIT)
  it.model(
    "every record of a producer that lives is taken beside the holes of one that died [R3]",
    begun,
    Death.oneSeen,
    LIMIT
  )
  it.model("a joiner that died leaves nothing that is overwritten [R7]", begun, Members.joinerDiesTight, LIMIT)
  it.model(
    "a producer is answered while an intent that was stored late, by one that died, is not recovered [R2] [R3] [P3]",
    Death.unrecovered,
    LIMIT
  )
  it.model("the holes of two producers are filled, and no other record [R3]", Death.bothAtOnce, LIMIT)
})

describe("counters", () => {
  it.model(
    "a counter is read whole over the end of 32 bits, also after its writer died [R13]",
    Counters.wideCrash,
    LIMIT
  )
})
