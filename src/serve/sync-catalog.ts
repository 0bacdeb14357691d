/** Makes a catalog hold what a configuration lists, while it is in use: new and changed versions are swapped in, others leave. */
import type { Manifest } from '../contract/manifest.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import type { Aliases } from './aliases.ts'
import type { Catalog, CatalogEntry } from './catalog.ts'

export interface CatalogChanges {
  /** 'name/version' of each */
  readonly loaded: readonly string[]
  readonly removed: readonly string[]
}

/**
 * No request fails meanwhile: a version answers until its successor is warm, and finishes what it has begun. When one cannot be loaded, the
 * error is thrown and what was there goes on.
 */
export async function syncCatalog(
  catalog: Catalog,
  entries: readonly CatalogEntry[],
  aliases: Readonly<Record<string, Aliases>>,
): Promise<CatalogChanges> {
  const loaded: string[] = []
  const removed: string[] = []
  for (const entry of entries) catalog.checkSize(entry)
  checkAddresses(entries, aliases)
  const before = new Map(catalog.all.map((info) => [addressOf(info), info]))
  for (const entry of entries) {
    const old = before.get(addressOf(entry))
    if (old && isSame(old.manifest, entry.manifest)) continue
    await catalog.swap(entry)
    loaded.push(addressOf(entry))
  }
  const wanted = new Set(entries.map(addressOf))
  for (const [address, { name, version }] of before) {
    if (wanted.has(address)) continue
    catalog.remove(name, version)
    removed.push(address)
  }
  for (const name of new Set(entries.map((entry) => entry.name))) {
    const { stable = entries.findLast((entry) => entry.name === name)!.version, canary, shadow } = aliases[name] ?? {}
    catalog.setAliases(name, { stable, canary, shadow })
  }
  return { loaded, removed }
}

/** Throws `config` for two models of one address, and for aliases of what is not listed. */
function checkAddresses(entries: readonly CatalogEntry[], aliases: Readonly<Record<string, Aliases>>): void {
  const versionsOf = new Map<string, string[]>()
  for (const { name, version } of entries) {
    const versions = versionsOf.get(name) ?? []
    if (versions.includes(version)) {
      throw new QuernError('config', `two of the models are version '${version}' of '${name}'`, {
        hint: "Give one of them another 'version', or another 'name'.",
      })
    }
    versionsOf.set(name, [...versions, version])
  }
  for (const [name, { stable, canary, shadow }] of Object.entries(aliases)) {
    const versions = versionsOf.get(name)
    if (!versions) {
      throw new QuernError('config', `aliases.${name}: there is no model '${name}'`, {
        hint: suggestion(name, [...versionsOf.keys()]),
      })
    }
    for (const [alias, version] of Object.entries({ stable, canary: canary?.version, shadow })) {
      if (version === undefined || versions.includes(version)) continue
      throw new QuernError('config', `aliases.${name}.${alias}: model '${name}' has no version '${version}'`, {
        hint: suggestion(version, versions),
      })
    }
  }
}

const addressOf = ({ name, version }: Pick<CatalogEntry, 'name' | 'version'>): string => `${name}/${version}`

/** Whether a bundle is as it was, its labels and preprocessing too. */
export const isSame = (a: Manifest, b: Manifest): boolean => JSON.stringify(a) === JSON.stringify(b)

/** What makes two versions the same model: the checksums of their files. */
export const contentOf = ({ manifest }: Pick<CatalogEntry, 'manifest'>): string =>
  JSON.stringify(Object.values(manifest.files).map(({ sha256 }) => sha256))
