import { locks } from "./locks.ts"
import type { Pair } from "./pair.ts"
import { publishing } from "./publishing.ts"
import { signals } from "./signals.ts"
import { structures } from "./structures.ts"

/** Every planted bug. */
export const planted: ReadonlyArray<Pair> = [...publishing, ...locks, ...signals, ...structures]
