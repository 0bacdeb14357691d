/** Who may ask the server that the command line starts, and where the keys of a project are: beside its runs. */
import { join } from 'node:path'
import { keyHolders } from '../serve/key-holders.ts'
import { type Authenticate, publicAccess } from '../serve/principal.ts'
import { createFileBlobs } from '../store/file-blobs.ts'
import { createKeyStore } from '../store/file-keys.ts'
import { type KeyStore, keyScopes, keyState } from '../store/keys.ts'
import { createMemoryBlobs } from '../store/memory-blobs.ts'
import type { World } from './world.ts'

type Place = Pick<World, 'cwd' | 'now'>

export function openKeys({ cwd, now }: Place): KeyStore {
  return createKeyStore(createFileBlobs(join(cwd, '.quern')), { now })
}

export interface Access {
  /** 'run': the project has no keys, so one was made that ends with the process */
  readonly kind: 'public' | 'keys' | 'run'
  /** the one of this run */
  readonly key?: string
  readonly authenticate: Authenticate
  /** whether the key with this id may be used now: jobs go on without it */
  readonly isValid: (id: string) => Promise<boolean>
}

/** Keys of the project when there are any, or one for this run; nobody needs one where `isPublic` was asked for. */
export async function accessFor(place: Place, isPublic: boolean): Promise<Access> {
  if (isPublic) return { kind: 'public', authenticate: publicAccess, isValid: async () => true }
  const store = openKeys(place)
  const validIn = async (stores: readonly KeyStore[], id: string): Promise<boolean> => {
    const records = (await Promise.all(stores.map((each) => each.list()))).flat()
    return records.some((record) => record.id === id && keyState(record, place.now()) === 'valid')
  }
  if ((await store.list()).length > 0) {
    return { kind: 'keys', authenticate: keyHolders(store), isValid: (id) => validIn([store], id) }
  }
  const temporary = createKeyStore(createMemoryBlobs(), place)
  const { key } = await temporary.create({ name: 'this run', scopes: [...keyScopes] })
  // Keys that are made while it runs count too.
  const stores = [temporary, store]
  return { kind: 'run', key, authenticate: keyHolders(...stores), isValid: (id) => validIn(stores, id) }
}
