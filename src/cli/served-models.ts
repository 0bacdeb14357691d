/** What the server's configuration lists, as entries of its catalog: bundles are read when they are loaded. */
import { findBundle } from '../actions/open-model.ts'
import type { Services } from '../actions/services.ts'
import { bundleEntry, type OnLoaded } from '../serve/bundle-entry.ts'
import type { CatalogEntry } from '../serve/catalog.ts'
import type { ServeConfig } from '../serve/config.ts'
import type { Engine } from '../serve/engine/engine.ts'

/** Opens each bundle once, to know its name and to see that it is whole. Models of one name are versions of it, in the order given. */
export async function servedModels(
  services: Services,
  engine: Engine,
  { models }: Pick<ServeConfig, 'models'>,
  onLoaded?: OnLoaded,
): Promise<CatalogEntry[]> {
  const images = await services.images()
  const seen = new Map<string, number>()
  const entries: CatalogEntry[] = []
  for (const { model, batching, ...given } of models) {
    const { bundle, run } = await findBundle(services, model)
    const { manifest } = bundle
    const name = given.name ?? manifest.name
    const number = (seen.get(name) ?? 0) + 1
    seen.set(name, number)
    // 'latest' must not become another run between listing and loading.
    const source = run ?? model
    const open = async (): ReturnType<typeof readAgain> => readAgain(services, source)
    const version = given.version ?? String(number)
    entries.push(bundleEntry({ name, version, manifest, open, engine, images, batching, onLoaded }))
  }
  return entries
}

async function readAgain(
  services: Services,
  source: string,
): Promise<Awaited<ReturnType<typeof findBundle>>['bundle']> {
  return (await findBundle(services, source)).bundle
}
