/** The models of doorbells as tests. `npm run model -- --only doorbell` shows what they took. */
import { it } from "@selvedge/testing/vitest"
import * as Models from "./doorbell.model.ts"

it.model("a watcher that sleeps on its doorbell misses no ring [P4]", Models.oneRinger)
it.model("a watcher that sleeps on its doorbell misses no ring of two others [P4]", Models.twoRingers)
it.model("bells that several threads list at once stand on the list once [P4]", Models.listing)
