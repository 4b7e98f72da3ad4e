/**
 * The smallest models of the ring's internals, in every order; the whole set is run by `npm run model -- --only ring`. The flaws under
 * test/mutants turn these red.
 */
import { it } from "@selvedge/testing/vitest"
import { describe } from "vitest"
import * as Close from "../model/ringClose.model.ts"
import * as Death from "../model/ringDeath.model.ts"
import * as Members from "../model/ringMembers.model.ts"
import * as Basic from "../model/ring.model.ts"

/** Real time; the longest of these takes a few seconds alone. */
const LIMIT = 120_000

describe("claim, publish and take", () => {
  it.model(
    "one producer's records arrive once and in order, over the end of 32 bits [R2] [R4]",
    Basic.singleTurn,
    LIMIT
  )
  it.model("batches over the end of the slots arrive whole, taken in parts [R2] [R4]", Basic.singleBatches, LIMIT)
  it.model("two producers' records arrive once, each producer's in order [R3]", Basic.shared, LIMIT)
  it.model("an unpublished claim is not overwritten when nobody is seated [R3] [R7]", Basic.sharedUnobserved, LIMIT)
})

describe("seats", () => {
  it.model("a late joiner sees everything from its place on [R7] [flaw R7: late join]", Members.lateJoin, LIMIT)
  it.model(
    "a late joiner's first record is kept from two producers [R7] [flaw R7: late join]",
    Members.lateJoinShared,
    LIMIT
  )
  it.model("of two consumers with one id, one is refused [R7] [flaw R7: shared cursor]", Members.sameId, LIMIT)
  it.model(
    "a dead consumer's seat is given up and the producer goes on [R7] [flaw R7: dead consumer]",
    Members.seatGivenUp,
    LIMIT
  )
  it.model("a dead consumer's seat is taken over without a loss [R7]", Members.seatTakenOver, LIMIT)
  it.model("a detached consumer keeps only whole copies [R7]", Members.detach, LIMIT)
  it.model("a drop-oldest reader keeps only whole copies [R7]", Members.dropOldestShared, LIMIT)
  it.model("history is read whole, or counted as a gap [R7] [R8]", Members.history, LIMIT)
})

describe("ends", () => {
  it.model("what was published before the close is taken before the end, with a cursor [R12]", Close.closeAlone, LIMIT)
  it.model("what was published before the close is taken before the end, with stamps [R12]", Close.closeStamped, LIMIT)
  it.model("a sleeping producer is freed by the close [R12]", Close.closeBlocked, LIMIT)
  it.model("neither side sleeps through what it waits for [R10]", Close.park, LIMIT)
  it.model("a buried record is passed [R2]", Close.buriedAlone, LIMIT)
  it.model("a leased record stays as it is [R5]", Close.lease, LIMIT)
})

describe("deaths", () => {
  it.model("the hole of the only producer is filled [R3]", Death.alone, LIMIT)
  it.model("the hole of one of two producers is filled, and no other record [R3]", Death.one, LIMIT)
  it.model("the holes of two producers are filled [R3]", Death.bothAtOnce, LIMIT)
})
