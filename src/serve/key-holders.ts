/** Keys as the gate sees them: who holds one, and what that lets them do. */
import { QuernError } from '../core/errors.ts'
import type { KeyStore } from '../store/keys.ts'
import type { Authenticate } from './principal.ts'
import { RequestError } from './request-error.ts'

/** Lets in who holds a key of one of the stores; nobody without a key. A store that cannot be read lets nobody in (503). */
export function keyHolders(...stores: readonly KeyStore[]): Authenticate {
  return async (key) => {
    if (key === undefined) return undefined
    try {
      for (const store of stores) {
        const record = await store.find(key)
        if (!record) continue
        const { id, scopes, priority, maxRunning } = record
        return {
          id,
          scopes,
          ...(priority === undefined ? {} : { priority }),
          ...(maxRunning === undefined ? {} : { maxRunning }),
        }
      }
      return undefined
    } catch (cause) {
      if (!(cause instanceof QuernError)) throw cause
      throw new RequestError(503, 'the keys of this server cannot be read now', { cause })
    }
  }
}
