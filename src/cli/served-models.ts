/** What the server's configuration lists, as entries of its catalog: bundles are read when they are loaded. */
import { findBundle } from '../actions/open-model.ts'
import type { Services } from '../actions/services.ts'
import { adapterFiles } from '../actions/trained-adapter.ts'
import { QuernError } from '../core/errors.ts'
import { sha256, sha256OfText } from '../core/hash.ts'
import { adapterEntries, type ServedAdapter } from '../serve/adapter-entries.ts'
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
  for (const { model, batching, adapters, ...given } of models) {
    const { bundle, run } = await findBundle(services, model)
    const { manifest } = bundle
    const name = given.name ?? manifest.name
    const number = (seen.get(name) ?? 0) + 1
    seen.set(name, number)
    // 'latest' must not become another run between listing and loading.
    const source = run ?? model
    const open = async (): ReturnType<typeof readAgain> => readAgain(services, source)
    const version = given.version ?? String(number)
    const base = { name, version, manifest, open, engine, images, batching, onLoaded }
    if (adapters && Object.keys(adapters).length > 0) {
      entries.push(...adapterEntries({ ...base, adapters: await servedAdapters(services, adapters) }))
    } else entries.push(bundleEntry(base))
  }
  const addresses = entries.map((entry) => `${entry.name}, version ${entry.version}`)
  const twice = addresses.find((address, i) => addresses.indexOf(address) !== i)
  if (twice === undefined) return entries
  throw new QuernError('config', `two models would be served as ${twice}`, {
    hint: 'Give one of them another name: adapters are models of their own names.',
  })
}

/** The files of adapters by the names that they are served under: of a run that trained one, or of a folder. */
function servedAdapters(services: Services, adapters: Readonly<Record<string, string>>): Promise<ServedAdapter[]> {
  return Promise.all(
    Object.entries(adapters).map(async ([name, place]) => {
      const files = await adapterFiles(services, place)
      const hashes = await Promise.all(Object.values(files).map(sha256))
      return { name, files, sha256: await sha256OfText(hashes.join('\n')) }
    }),
  )
}

async function readAgain(
  services: Services,
  source: string,
): Promise<Awaited<ReturnType<typeof findBundle>>['bundle']> {
  return (await findBundle(services, source)).bundle
}
