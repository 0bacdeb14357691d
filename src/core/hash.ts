/** SHA-256 through Web Crypto, which Node and browsers share. */
import { QuernError } from './errors.ts'

/** The hash as 64 hexadecimal digits. Throws `unsupported` in a page that has no Web Crypto. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  // Browsers offer it to pages from https or localhost alone.
  if (globalThis.crypto?.subtle === undefined) {
    throw new QuernError('unsupported', 'checksums need Web Crypto, which this page does not have', {
      hint: 'Serve the page over https or from localhost.',
    })
  }
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
  return hexFrom(new Uint8Array(digest))
}

/** Two digits for each byte. */
export function hexFrom(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The hash of a text in UTF-8. */
export function sha256OfText(text: string): Promise<string> {
  return sha256(new TextEncoder().encode(text))
}
