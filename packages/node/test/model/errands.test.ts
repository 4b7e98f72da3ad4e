/** The models of errands as tests. `npm run model -- --only errands` shows what they took. */
import { it } from "@selvedge/testing/vitest"
import * as Models from "./errands.model.ts"

it.model("a watcher is woken by a thread that has its process's ringer do it [P4]", Models.oneAsker)
it.model("two watchers are woken by two threads that share a ringer [P4]", Models.twoWatchers)
it.model("a ringer that is told to end does, and forgets nobody before [P4]", Models.over)
