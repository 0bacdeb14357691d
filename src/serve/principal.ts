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
  if (path === '/metrics' || /^\/models\/[^/]+\/(?:drift|quality|shadow)$/.test(path)) return 'metrics'
  if (path.startsWith('/admin/')) return 'admin'
  if (method === 'POST' && /^\/v2\/repository\/models\/[^/]+\/(?:load|unload)$/.test(path)) return 'admin'
  return 'infer'
}

/** What people look at with a browser, which can send a key as a password only. Nothing that a foreign page could make a browser do is among it. */
const pages: ReadonlySet<string> = new Set(['/', '/docs', '/openapi.json'])
/** The page at / links to what its models take. */
const isPage = (path: string): boolean => pages.has(path) || /^\/v2\/models\/[^/]+$/.test(path)

/** The key of `Authorization: Bearer KEY` or `X-Api-Key: KEY`; for pages also the password that a browser was given. */
export function keyFrom(path: string, header: (name: string) => string | undefined): string | undefined {
  const given = header('authorization')
  if (given === undefined) return header('x-api-key')
  const password = isPage(path) ? passwordOf(given) : undefined
  return password ?? /^bearer +(\S+)$/i.exec(given)?.[1] ?? given
}

/** How a client is told to bring a key: a browser that asks for a page is to ask its user. */
export function challengeFor(path: string, accept: string | undefined): string {
  return isPage(path) && accept?.includes('text/html')
    ? 'Basic realm="Quern: any name, a key as the password"'
    : 'Bearer'
}

/** RFC 7617. */
function passwordOf(authorization: string): string | undefined {
  const encoded = /^basic +([\w+/]+=*)$/i.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  try {
    const text = atob(encoded)
    return text.slice(text.indexOf(':') + 1)
  } catch {
    return undefined
  }
}
