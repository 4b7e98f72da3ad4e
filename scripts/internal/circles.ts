/**
 * Circles of imports: files that, one importing the next, come back to where they began. Imports of types count: who
 * reads one of the files has to read them all. A file named by `new URL` is loaded elsewhere and does not count.
 *
 * @internal
 */
import * as path from "node:path"
import type { Violation } from "./violation.ts"
import { importsOf, type Source } from "./source.ts"

type Graph = ReadonlyMap<string, ReadonlyArray<{ readonly to: string; readonly line: number }>>

/** The file a specifier leads to, if it is one of those looked at. */
const target = (specifier: string, file: string, sources: ReadonlyMap<string, Source>): string | undefined => {
  if (specifier.startsWith(".")) {
    const found = path.posix.join(path.posix.dirname(file), specifier)
    return sources.has(found) ? found : undefined
  }
  const [, name, inside] = /^@selvedge\/([^/]+)(?:\/(.*))?$/.exec(specifier) ?? []
  if (name === undefined) return undefined
  const base = `packages/${name}/src/${inside ?? "index"}`
  return [`${base}.ts`, `${base}/index.ts`].find((found) => sources.has(found))
}

const graphOf = (sources: ReadonlyMap<string, Source>): Graph =>
  new Map(
    Array.from(sources, ([file, source]) => [
      file,
      importsOf(source).flatMap(({ byUrl, line, specifier }) => {
        const to = byUrl ? undefined : target(specifier, file, sources)
        return to === undefined ? [] : [{ to, line }]
      })
    ])
  )

/** The shortest way from a file back to itself, or nothing. */
const wayBack = (graph: Graph, from: string): ReadonlyArray<string> | undefined => {
  const cameFrom = new Map<string, string>()
  const queue = [from]
  for (const file of queue) {
    for (const { to } of graph.get(file) ?? []) {
      if (to === from) {
        const way = [from]
        for (let one: string | undefined = file; one !== undefined && one !== from; one = cameFrom.get(one)) {
          way.splice(1, 0, one)
        }
        return [...way, from]
      }
      if (cameFrom.has(to)) continue
      cameFrom.set(to, file)
      queue.push(to)
    }
  }
  return undefined
}

/** One violation for each circle, told at its first file's import: the shortest way round. */
export const circleProblems = (sources: ReadonlyMap<string, Source>): ReadonlyArray<Violation> => {
  const graph = graphOf(sources)
  const told = new Set<string>()
  return [...graph.keys()].toSorted().flatMap((file) => {
    if (told.has(file)) return []
    const way = wayBack(graph, file)
    if (way === undefined) return []
    for (const one of way) told.add(one)
    const line = graph.get(file)?.find(({ to }) => to === way[1])?.line ?? 1
    const shown = way.map((one) => path.posix.relative(path.posix.dirname(file), one) || path.posix.basename(one))
    return [{ file, line, rule: "circle", message: `imports come back to where they began: ${shown.join(" → ")}` }]
  })
}
