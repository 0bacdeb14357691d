/**
 * Keys of the server, as a port. What is kept of a key is its SHA-256: 256 random bits cannot be guessed from that, so no salt and no slow hash is
 * needed. See docs/decisions/016-keys.md.
 */

/** `infer`: use models and read about them; `admin`: load, unload and swap them; `metrics`: read the measurements */
export const keyScopes = ['infer', 'admin', 'metrics'] as const
export type KeyScope = (typeof keyScopes)[number]

/** What its owner decides about a key. */
export interface KeyTerms {
  /** whose it is, for people */
  readonly name: string
  readonly scopes: readonly KeyScope[]
  /** ISO 8601; refused from then on */
  readonly expires?: string | undefined
  /** name of what was agreed with its holder; means nothing to the server yet */
  readonly plan?: string | undefined
  /** of its requests; the higher goes first; default 0 */
  readonly priority?: number | undefined
  /** requests at once, more are answered 429; default: no limit of its own */
  readonly maxRunning?: number | undefined
}

/** What is kept of a key: enough to know it again, not enough to make it. */
export interface KeyRecord extends KeyTerms {
  /** the public part of the key, such as 'k3fQ9xTb2LwM': in logs and lists */
  readonly id: string
  /** SHA-256 of the whole key, in hex */
  readonly sha256: string
  /** ISO 8601 */
  readonly created: string
  /** ISO 8601 */
  readonly revoked?: string | undefined
}

export type KeyState = 'valid' | 'expired' | 'revoked'

export function keyState({ expires, revoked }: KeyRecord, now: number): KeyState {
  if (revoked !== undefined) return 'revoked'
  return expires !== undefined && Date.parse(expires) <= now ? 'expired' : 'valid'
}

export interface KeyStore {
  /** Makes a key. The secret is in the answer and nowhere else. */
  create(terms: KeyTerms): Promise<{ readonly key: string; readonly record: KeyRecord }>
  /** Every key that ever was, oldest first. */
  list(): Promise<readonly KeyRecord[]>
  /** By the id or an unambiguous beginning of it. The record stays, so that logs can be read later. Throws `missing`. */
  revoke(id: string): Promise<KeyRecord>
  /** The record of a key that is neither revoked nor expired. Takes the same time for every key that is wrong. */
  find(key: string): Promise<KeyRecord | undefined>
}
