/**
 * The models of strands, counters and the flight recorder as tests. `npm run model` explores all of them, and further.
 */
import { Strategy } from "@selvedge/testing/model"
import { it } from "@selvedge/testing/vitest"
import * as Counters from "./counter.model.ts"
import * as Recorders from "./recorder.model.ts"
import * as Strands from "./strand.model.ts"

const bounded = { strategy: Strategy.chess({ preemptions: 1 }), maxExecutions: 20_000 }

it.model(
  "registering changes nothing in the rows of others, without any race [D2] [flaw D2: time overwritten]",
  Strands.noRaceNeeded
)
it.model("whole rows beside snapshots are always one strand's [D2] [D3] [flaw D2: torn row]", bounded, Strands.whole)
it.model(
  "a slot goes from owner to owner over the wrap of its generation, and a full one is counted [D1] [D2]",
  Strands.oneSlot
)
it.model("two threads on two slots leave nothing and count everything [D2] [D4]", Strands.twoSlots)
it.model("a look never sees half of two lives, nor an older one later [D2]", Strands.reader)
it.model("a row of one thread is never mixed with the next owner's [D2] [flaw D2: time zeroed]", Strands.readerBetween)
it.model("two looks beside two threads see whole rows [D2]", bounded, Strands.readerOfTwo)
it.model("a handle that was released releases nothing of the next owner [D1] [D2]", Strands.releasedTwice)
it.model("a thread that dies at any step loses no slot once it is reclaimed [D1]", Strands.death)
it.model("a death at any step tears no row [D1] [D2]", bounded, Strands.deathBesideReader)
it.model(
  "two that reclaim one dead thread leave the next owner alone [D1]",
  { strategy: Strategy.chess({ preemptions: 2 }) },
  Strands.reclaimedTwice
)
it.model("totals never count a strand as lost that is not [D4]", bounded, Strands.neverFalselyLost)
it.model("totals of one thread never fall [D4]", Strands.totalsOfOne)
it.model("the peak misses at most what another thread registers in the same instant [D4]", bounded, Strands.peak)
it.model("the peak of three threads is no greater than the table [D4]", Strands.peakOfThree)
it.model("the peak of threads that take turns is exact [D4]", Strands.peakInTurn)
it.model("an ordinal has one seat, however many ask for it [D4]", Strands.seats)
it.model("a wide number is read whole over its carry, also of a writer that died [D3] [D4]", Strands.wide)

it.model("a counter that two threads register at once is there once [D5]", Counters.registerAtOnce)
it.model("three threads that register overlapping counters agree [D5]", bounded, Counters.registerThree)
it.model("a full table has one counter and says so to the other [D5]", Counters.full)
it.model("of two names for one id one is refused [D5]", Counters.taken)
it.model("additions of two threads over 2^32 are all kept, and no reader sees a total fall [D5]", Counters.adding)
it.model("a greatest value is never lost to a smaller one [D5]", Counters.greatest)
it.model("a thread's next life goes on counting, wherever the last one died [D5]", bounded, Counters.restarted)
it.model("two that reclaim one dead thread free its cell once and no counter [D5]", bounded, Counters.reclaimedTwice)

it.model("events of two threads that overwrite each other stay whole and in order [D9]", Recorders.overwriting)
it.model("a reader sees whole events and none older later [D9]", Recorders.reader)
it.model("two reads beside two writers see whole events [D9]", bounded, Recorders.readerOfTwo)
it.model("a writer that dies at any step leaves at most one torn entry and blocks none [D9]", bounded, Recorders.death)
it.model("an entry that nobody reclaims holds up neither writers nor readers [D9]", bounded, Recorders.deathUnreclaimed)
