/** A certificate for 127.0.0.1 that signs itself (X.509, RFC 5280, with Ed25519 of RFC 8410), written in DER by hand: for tests of HTTPS. */
import { generateKeyPairSync, sign } from 'node:crypto'

export interface SelfSigned {
  /** PEM */
  readonly key: string
  readonly cert: string
}

/** Valid from 2026 to 2049. */
export function selfSigned(): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const algorithm = sequence(identifier('2b6570'))
  const name = sequence(tagged(0x31, sequence(identifier('550403'), tagged(0x0c, ascii('127.0.0.1')))))
  const validity = sequence(tagged(0x17, ascii('260101000000Z')), tagged(0x17, ascii('491231000000Z')))
  // subjectAltName: the address
  const host = sequence(identifier('551d11'), tagged(0x04, sequence(tagged(0x87, Uint8Array.of(127, 0, 0, 1)))))
  const body = sequence(
    tagged(0xa0, number(2)),
    number(1),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(host)),
  )
  const signature = tagged(0x03, Uint8Array.of(0), sign(null, body, privateKey))
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem('CERTIFICATE', sequence(body, algorithm, signature)),
  }
}

function tagged(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(parts)
  const { length } = body
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Uint8Array.of(tag, ...size), body])
}

const sequence = (...parts: readonly Uint8Array[]): Uint8Array => tagged(0x30, ...parts)
const identifier = (hex: string): Uint8Array => tagged(0x06, Buffer.from(hex, 'hex'))
const number = (value: number): Uint8Array => tagged(0x02, Uint8Array.of(value))
const ascii = (text: string): Uint8Array => Buffer.from(text, 'ascii')

function pem(what: string, bytes: Uint8Array): string {
  const lines = Buffer.from(bytes).toString('base64').replaceAll(/.{64}/g, '$&\n')
  return `-----BEGIN ${what}-----\n${lines.trimEnd()}\n-----END ${what}-----\n`
}
