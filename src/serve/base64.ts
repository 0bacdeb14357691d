/** Bytes from base64 text, without Node's Buffer. */
import { RequestError } from './request-error.ts'

/**
 * Takes plain base64 and data URIs ('data:image/png;base64,...').
 * @param what names the text in the message
 */
export function bytesFromBase64(text: string, what: string): Uint8Array {
  const comma = text.startsWith('data:') ? text.indexOf(',') : -1
  if (comma >= 0 && !text.slice(0, comma).endsWith(';base64')) {
    throw new RequestError(400, `${what}: a data URI must be base64, received '${text.slice(0, Math.min(comma, 40))}'`)
  }
  let binary: string
  try {
    binary = atob(text.slice(comma + 1))
  } catch (cause) {
    throw new RequestError(400, `${what} must be a picture as base64 or as a data URI`, { cause })
  }
  if (binary.length === 0) throw new RequestError(400, `${what} is empty`)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}
