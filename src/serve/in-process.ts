/** A pipeline of this process as an entry of the catalog, computed where it is called: for tests and for programs that serve what they hold. */
import type { Pipeline } from '../bundle/index.ts'
import type { CatalogEntry } from './catalog.ts'
import { warmUp } from './warm-up.ts'

/** `name` and `version` become the address. The pipeline is released with the entry; then it cannot be loaded again. */
export function inProcess(name: string, version: string, pipeline: Pipeline): CatalogEntry {
  return {
    name,
    version,
    manifest: pipeline.manifest,
    bytes: 0,
    load: async () => {
      await warmUp(pipeline)
      return { pipeline: () => pipeline, release: () => pipeline.release() }
    },
  }
}
