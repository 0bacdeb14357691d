/** The one door to a model: who wants to use one on behalf of a request calls `useModel`, and nobody gives anything back. */
import type { Manifest } from '../contract/manifest.ts'
import { chanceOf } from './aliases.ts'
import type { Catalog, Lease, ModelPipeline } from './catalog.ts'
import type { Passage } from './passage.ts'
import { withShadow } from './shadow.ts'

/** A model in use by one passage. */
export interface ModelInUse {
  readonly name: string
  readonly version: string
  readonly manifest: Manifest
  /** Its runs wait in the model's queue with the passage's priority and deadline, are given up when the client leaves, and are counted in the passage. */
  readonly pipeline: ModelPipeline
}

/**
 * A loaded model, which stays loaded until the passage ends (the last byte of a stream). Every run of every route and job goes through here.
 *
 * @param version a version, 'stable', 'canary' or 'shadow'; by default stable, or canary for its share of the traffic
 * @throws QuernError `missing` (404) for unknown names; RequestError 503 when there is no memory for it now
 *
 * @example
 * const model = await useModel(catalog, c.get('passage'), 'cats')
 * const outputs = await model.pipeline.infer({ pixels })   // may throw RequestError 503 (queue full), 504 (deadline), 499 (client left)
 */
export function useModel(
  catalog: Catalog,
  passage: Passage,
  name: string,
  version?: string,
): ModelInUse | Promise<ModelInUse> {
  const lease = catalog.lease(name, version, chanceOf(passage.id))
  // One that is loaded, the usual case, waits for nothing.
  if (lease instanceof Promise) return lease.then((lease) => inUse(catalog, passage, lease, version))
  return inUse(catalog, passage, lease, version)
}

function inUse(
  catalog: Catalog,
  passage: Passage,
  { entry, model, release }: Lease,
  version: string | undefined,
): ModelInUse {
  passage.hold(release)
  passage.model = entry.name
  passage.version = entry.version
  const own = model.pipeline(passage.runOptions())
  // Who names a version wants that one; what the others get is what a shadow is compared with.
  const pipeline = version === undefined ? withShadow(own, catalog, entry.name, entry.version) : own
  return { name: entry.name, version: entry.version, manifest: entry.manifest, pipeline }
}
