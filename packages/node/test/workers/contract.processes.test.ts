/** Processes keep what docs/workers.md says, as fibers do. */
import * as ForkedBackend from "@selvedge/node/workers/ForkedBackend"
import { contract } from "./contract.ts"
import { mapped } from "./mapped.ts"

contract({ name: "processes", layer: ForkedBackend.layer(), isolated: true, sharesMemory: false, memory: mapped })
