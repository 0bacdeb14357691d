/**
 * Samples of what models were given and what they answered, for those who may look: each encrypted by AES-256-GCM under a key that the store
 * never keeps, in a file of its own whose name says when it came and how long it is. The oldest go by age, and when all are too many bytes.
 */
import { randomBytes, type webcrypto } from 'node:crypto'
import { QuernError } from '../core/errors.ts'
import type { BlobStore, Clock } from '../core/ports.ts'

export interface PayloadLimits {
  readonly maxAgeMilliseconds: number
  /** of all together */
  readonly maxBytes: number
}

export interface PayloadInfo {
  readonly id: string
  /** milliseconds since 1970 */
  readonly time: number
  readonly bytes: number
}

export interface PayloadStore {
  /** Encrypts and keeps it, and lets go what is too old or too much. Returns its id. */
  add(content: Uint8Array): Promise<string>
  /** The oldest first; needs no key. */
  list(): Promise<PayloadInfo[]>
  /** Decrypts. Throws `missing` for ids that are not there, `input` where the key is another or the file was changed. */
  read(id: string): Promise<Uint8Array>
  /** Lets go what is too old or too much. Returns how many. */
  prune(): Promise<number>
}

/** What every file begins with; a part of what is authenticated, as is the name. */
const magic = new TextEncoder().encode('QUERNPL1')
/** As NIST SP 800-38D recommends for GCM. Random: under one key, up to 2^32 files are safe. */
const nonceBytes = 12
const tagBytes = 16
const overhead = magic.length + nonceBytes + tagBytes
const form = /^(\d{13})-([\da-z]+)-([\da-f]{12})$/

/** The 32 bytes of a key as 64 hexadecimal digits or in base64. Throws `config` for all else. */
export function payloadKeyFrom(text: string, what: string): Uint8Array {
  const trimmed = text.trim()
  const isHex = /^[\da-f]{64}$/i.test(trimmed)
  const bytes = Buffer.from(trimmed, isHex ? 'hex' : 'base64')
  if (bytes.length === 32 && (isHex || /^[A-Za-z\d+/_-]{43}=?$/.test(trimmed))) return new Uint8Array(bytes)
  throw new QuernError('config', `${what} must be 32 random bytes as base64 or 64 hexadecimal digits`, {
    hint: 'Make one: openssl rand -base64 32',
  })
}

/** @param key 32 bytes; without one the store can be listed and pruned only */
export function createPayloadStore(
  blobs: BlobStore,
  {
    key,
    clock,
    limits,
  }: { readonly key?: Uint8Array | undefined; readonly clock: Clock; readonly limits: PayloadLimits },
): PayloadStore {
  let imported: Promise<webcrypto.CryptoKey> | undefined
  const cryptoKey = (): Promise<webcrypto.CryptoKey> => {
    if (!key) throw new QuernError('config', 'payloads are encrypted, and their key was not given')
    const raw = key as Uint8Array<ArrayBuffer>
    imported ??= crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt'])
    return imported
  }
  /** kept while it is this process that writes */
  let known: PayloadInfo[] | undefined

  const list = async (): Promise<PayloadInfo[]> =>
    (await blobs.list('')).flatMap((name): PayloadInfo[] => {
      const [, time, size] = form.exec(name) ?? []
      return time === undefined ? [] : [{ id: name, time: Number(time), bytes: Number.parseInt(size!, 36) }]
    })

  const prune = async (): Promise<number> => {
    known ??= await list()
    let bytes = known.reduce((sum, info) => sum + info.bytes, 0)
    const oldest = clock.now() - limits.maxAgeMilliseconds
    let count = 0
    for (let first = known[0]; first && (first.time < oldest || bytes > limits.maxBytes); first = known[0]) {
      known.shift()
      bytes -= first.bytes
      count++
      await blobs.remove(first.id)
    }
    return count
  }

  let work: Promise<unknown> = Promise.resolve()

  return {
    list,
    prune: () => {
      const next = work.then(prune)
      work = next.catch(() => undefined)
      return next
    },
    add(content) {
      const next = work.then(async () => {
        const bytes = content.length + overhead
        const time = Math.max(0, Math.floor(clock.now()))
        const id = `${String(time).padStart(13, '0')}-${bytes.toString(36)}-${randomBytes(6).toString('hex')}`
        const nonce = new Uint8Array(randomBytes(nonceBytes))
        const sealed = await crypto.subtle.encrypt(
          algorithm(nonce, id),
          await cryptoKey(),
          content as Uint8Array<ArrayBuffer>,
        )
        const file = new Uint8Array(bytes)
        file.set(magic)
        file.set(nonce, magic.length)
        file.set(new Uint8Array(sealed), magic.length + nonceBytes)
        known ??= await list()
        await blobs.write(id, file)
        known.push({ id, time, bytes })
        await prune()
        return id
      })
      work = next.catch(() => undefined)
      return next
    },
    async read(id) {
      if (!form.test(id)) throw new QuernError('missing', `'${id.slice(0, 60)}' is no id of a payload`)
      const file = await blobs.read(id)
      const damaged = (why: string, cause?: unknown): QuernError =>
        new QuernError('input', `payload ${id} cannot be read: ${why}`, { cause })
      if (file.length < overhead || magic.some((byte, i) => file[i] !== byte))
        throw damaged('it is no encrypted payload')
      const nonce = file.slice(magic.length, magic.length + nonceBytes)
      const secret = await cryptoKey()
      try {
        const sealed = file.slice(magic.length + nonceBytes)
        return new Uint8Array(await crypto.subtle.decrypt(algorithm(nonce, id), secret, sealed))
      } catch (cause) {
        throw damaged('its key is another, or it was changed', cause)
      }
    },
  }
}

function algorithm(nonce: Uint8Array<ArrayBuffer>, id: string): webcrypto.AesGcmParams {
  const name = new TextEncoder().encode(id)
  const additionalData = new Uint8Array(magic.length + name.length)
  additionalData.set(magic)
  additionalData.set(name, magic.length)
  return { name: 'AES-GCM', iv: nonce, additionalData, tagLength: 8 * tagBytes }
}
