/** Threads keep what docs/workers.md says, as fibers do. */
import * as ThreadedBackend from "@selvedge/node/workers/ThreadedBackend"
import { contract } from "./contract.ts"

contract({ name: "threads", layer: ThreadedBackend.layer(), isolated: true, sharesMemory: true })
