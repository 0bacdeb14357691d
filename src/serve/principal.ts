/** Who may do what: a key stands for a principal, every route but the probes asks for a scope. */
import type { KeyScope } from '../store/keys.ts'

export interface Principal {
  /** of the key, never the key itself */
  readonly id: string
  readonly scopes: readonly KeyScope[]
  /** of its runs; the higher goes first; default 0 */
  readonly priority?: number
  /** requests at once, more are answered 429; default: no limit of its own */
  readonly maxRunning?: number
}

/** Who holds the key; undefined when nobody does. `key` is undefined when none was given. */
export type Authenticate = (key: string | undefined) => Principal | undefined | Promise<Principal | undefined>

const everyone: Principal = { id: 'public', scopes: ['infer'] }

/** For servers that were asked to be public: everybody may use models, nobody may change them. */
export const publicAccess: Authenticate = () => everyone

/** The scope that a request needs; undefined for the probes, which alone are free. What is not listed needs `infer`. */
export function scopeOf(method: string, path: string): KeyScope | undefined {
  if (path.startsWith('/v2/health/') || path === '/healthz') return undefined
  // A browser asks first whether it may ask, and sends no key with that.
  if (method === 'OPTIONS') return undefined
  if (path === '/metrics' || /^\/models\/[^/]+\/(?:drift|quality)$/.test(path)) return 'metrics'
  if (path.startsWith('/admin/')) return 'admin'
  if (method === 'POST' && /^\/v2\/repository\/models\/[^/]+\/(?:load|unload)$/.test(path)) return 'admin'
  return 'infer'
}

/** The key of `Authorization: Bearer KEY` or `X-Api-Key: KEY`. */
export function keyFrom(header: (name: string) => string | undefined): string | undefined {
  const given = header('authorization')
  if (given !== undefined) return /^bearer +(\S+)$/i.exec(given)?.[1] ?? given
  return header('x-api-key')
}
