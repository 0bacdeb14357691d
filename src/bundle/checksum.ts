/** SHA-256 by Web Crypto, which Node and browsers share. */

import { QuernError } from '../core/errors.ts'

/** The digest as 64 hexadecimal digits. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  // Browsers offer it to pages from https or localhost alone.
  if (globalThis.crypto?.subtle === undefined) {
    throw new QuernError('unsupported', 'checksums need Web Crypto, which this page does not have', {
      hint: 'Serve the page over https or from localhost.',
    })
  }
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
