/** Keys as one JSON file over the blob port, replaced whole. A server that runs sees what other processes change within a second. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import type { BlobStore, Clock } from '../core/ports.ts'
import { type KeyRecord, type KeyStore, keyScopes, keyState } from './keys.ts'

const file = 'keys.json'
/** Milliseconds for which what was read counts as current. */
const freshness = 1000

/** `qk_`, 72 bits that name the key, 256 bits that prove it: both in the alphabet of base64url. */
const keyForm = /^qk_([\w-]{12})_([\w-]{43})$/

const hashOf = (key: string): Uint8Array => createHash('sha256').update(key).digest()
const nobody = hashOf('')

/**
 * Keys below a folder, in `keys.json`. Without that file there are none, and nobody is let in.
 *
 * @param clock milliseconds since 1970
 * @example
 * const keys = createKeyStore(createFileBlobs('.quern'), { now: Date.now })
 * const { key } = await keys.create({ name: 'shop', scopes: ['infer'] })   // 'qk_...': shown once
 * await keys.find(key)
 */
export function createKeyStore(blobs: BlobStore, clock: Clock): KeyStore {
  let known: { readonly at: number; readonly records: Promise<Map<string, KeyRecord>> } | undefined
  /** changes one after another: each reads all, changes one and writes all */
  let changes: Promise<unknown> = Promise.resolve()

  const read = async (): Promise<KeyRecord[]> => ((await blobs.exists(file)) ? recordsFrom(await blobs.read(file)) : [])

  const byId = (): Promise<Map<string, KeyRecord>> => {
    const now = clock.now()
    if (!known || now - known.at >= freshness || now < known.at) {
      known = { at: now, records: read().then((all) => new Map(all.map((record) => [record.id, record]))) }
    }
    return known.records
  }

  const change = <T>(edit: (records: KeyRecord[]) => { records: KeyRecord[]; result: T }): Promise<T> => {
    const next = changes.then(async () => {
      const { records, result } = edit(await read())
      const text = `${JSON.stringify({ format: 1, keys: records }, undefined, 2)}\n`
      await blobs.write(file, new TextEncoder().encode(text))
      known = undefined
      return result
    })
    changes = next.catch(() => undefined)
    return next
  }

  const iso = (): string => new Date(clock.now()).toISOString()

  return {
    create(terms) {
      const id = randomBytes(9).toString('base64url')
      const key = `qk_${id}_${randomBytes(32).toString('base64url')}`
      const record = { id, sha256: Buffer.from(hashOf(key)).toString('hex'), created: iso(), ...terms }
      return change((records) => ({ records: [...records, record], result: { key, record } }))
    },
    list: read,
    revoke: (id) =>
      change((records) => {
        const found = recordOf(records, id)
        const revoked = { ...found, revoked: found.revoked ?? iso() }
        return { records: records.map((record) => (record === found ? revoked : record)), result: revoked }
      }),
    async find(key) {
      const [, id] = keyForm.exec(key) ?? []
      const records = await byId()
      const record = id === undefined ? undefined : records.get(id)
      // The same work for keys that are not there: how long it takes tells nothing.
      const isIt = timingSafeEqual(hashOf(key), record ? Buffer.from(record.sha256, 'hex') : nobody)
      return record && isIt && keyState(record, clock.now()) === 'valid' ? record : undefined
    },
  }
}

function recordOf(records: readonly KeyRecord[], id: string): KeyRecord {
  // A whole key was pasted: its id is in it.
  const wanted = keyForm.exec(id)?.[1] ?? id
  const exact = records.find((record) => record.id === wanted)
  if (exact) return exact
  const matches = wanted === '' ? [] : records.filter((record) => record.id.startsWith(wanted))
  if (matches.length === 1) return matches[0]!
  const known = records.map((record) => record.id)
  if (matches.length > 1) {
    throw new QuernError('missing', `'${wanted}' is the beginning of ${matches.length} keys`, {
      hint: 'Type more of the id.',
    })
  }
  const hint = known.length === 0 ? 'There are no keys yet: quern keys create NAME' : suggestion(wanted, known)
  throw new QuernError('missing', `there is no key '${wanted}'`, { hint })
}

function recordsFrom(bytes: Uint8Array): KeyRecord[] {
  const fail = (why: string, cause?: unknown): QuernError =>
    new QuernError('config', `${file} is damaged: ${why}`, {
      hint: 'Put back a copy of it, or remove it and make new keys.',
      cause,
    })
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw fail(messageOf(cause), cause)
  }
  const { format, keys } = (value ?? {}) as { format?: unknown; keys?: unknown }
  if (format !== 1 || !Array.isArray(keys)) throw fail('it is not { format: 1, keys: [...] }')
  for (const [i, key] of keys.entries()) if (!isRecord(key)) throw fail(`entry ${i} is no key`)
  return keys as KeyRecord[]
}

const isText = (value: unknown): boolean => typeof value === 'string'
const isTime = (value: unknown): boolean => isText(value) && Number.isFinite(Date.parse(value as string))
const isAbsentOr = (value: unknown, test: (value: unknown) => boolean): boolean => value === undefined || test(value)

/** A time that cannot be read must not let an expired or revoked key in. */
function isRecord(value: unknown): boolean {
  const { id, sha256, name, scopes, created, expires, revoked, priority, maxRunning } = (value ?? {}) as Record<
    string,
    unknown
  >
  return (
    [id, name].every(isText) &&
    isText(sha256) &&
    /^[\da-f]{64}$/.test(sha256 as string) &&
    isTime(created) &&
    isAbsentOr(expires, isTime) &&
    isAbsentOr(revoked, isTime) &&
    isAbsentOr(priority, Number.isInteger) &&
    isAbsentOr(maxRunning, Number.isInteger) &&
    Array.isArray(scopes) &&
    scopes.every((scope) => keyScopes.includes(scope as never))
  )
}
