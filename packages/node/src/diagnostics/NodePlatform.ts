/**
 * Facts of the process for a dump. The same in every thread of it, but for the heap.
 *
 * @since 0.1.0
 */
import type { PlatformFacts } from "@selvedge/core/inspection/DumpFacts"
import type * as DumpSchema from "@selvedge/core/inspection/DumpSchema"

/**
 * What the main thread tells in a dump.
 *
 * @category operations
 * @since 0.1.0
 */
export const platform = (): PlatformFacts => {
  const { arrayBuffers, external, heapTotal, heapUsed, rss } = process.memoryUsage()
  return { process: own(), memory: { arrayBuffers, external, heapTotal, heapUsed, rss } }
}

/**
 * What another thread knows of the process.
 *
 * @category operations
 * @since 0.1.0
 */
export const facts = (): Pick<DumpSchema.Dump, "process" | "memory"> => ({
  process: own(),
  memory: {
    rss: process.memoryUsage.rss(),
    heapUsed: null,
    heapTotal: null,
    external: null,
    arrayBuffers: null,
    regions: []
  }
})

const own = () => ({
  pid: process.pid,
  uptimeMillis: Math.floor(process.uptime() * 1000),
  runtime: `node ${process.versions.node}`
})
