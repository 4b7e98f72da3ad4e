/**
 * The models of a pulse as tests. `npm run model` explores all of them, and further.
 */
import { it } from "@selvedge/testing/vitest"
import * as Pulse from "./pulse.model.ts"

it.model("a look at a pulse sees each beat with the memory that was measured for it [W7]", Pulse.looked)
it.model("a pulse that two lives are given is one's, and the other writes nothing [W7] [W2]", Pulse.twoLives)
it.model("a worker that dies at any step leaves a pulse that can be read [W7]", Pulse.death)
it.model("a line has one life after another, and shows each one's signs only [W7] [W2]", Pulse.handedOn)
it.model("a line that another life has is taken by nobody [W7] [W2]", Pulse.stranger)
