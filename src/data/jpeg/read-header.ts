/** The segments of a JPEG (ITU T.81, annex B) in front of its data, for the pictures that cameras and the web have; of others, undefined. */

export interface JpegComponent {
  /** blocks of a unit, across and down */
  readonly h: number
  readonly v: number
  /** place of its 64 quanta in `quanta`, of its tables of codes in `codes` */
  readonly quanta: number
  readonly means: number
  readonly others: number
}

export interface JpegHeader {
  readonly width: number
  readonly height: number
  /** one: grey; three: luma and two of chroma */
  readonly components: readonly JpegComponent[]
  /** units between restarts, 0: none */
  readonly interval: number
  /** tables of quanta, in the order of the file */
  readonly quanta: readonly Uint16Array[]
  /** segments of tables of codes: 16 counts and the values; those for means at 0 to 3, the others at 4 to 7 */
  readonly codes: readonly (Uint8Array | undefined)[]
  /** the first byte of the data */
  readonly data: number
}

interface Frame {
  readonly width: number
  readonly height: number
  readonly parts: readonly { readonly id: number; readonly h: number; readonly v: number; readonly table: number }[]
}

const marker = {
  sof0: 0xc0,
  sof1: 0xc1,
  dht: 0xc4,
  sos: 0xda,
  dqt: 0xdb,
  dri: 0xdd,
  app1: 0xe1,
  app2: 0xe2,
  app14: 0xee,
}

/**
 * What there is to know in front of the data. Undefined for all that is rare, damaged or to be turned: progressive and arithmetic pictures,
 * several scans, 12 bits, CMYK, RGB, profiles of colour, an orientation other than upright, uncommon sampling. The general decoder takes those.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const quanta: Uint16Array[] = []
  const codes = new Array<Uint8Array | undefined>(8).fill(undefined)
  let frame: Frame | undefined
  let interval = 0
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined
    const kind = bytes[at + 1]!
    if (kind === 0xff) {
      at++
      continue
    }
    const length = view.getUint16(at + 2)
    const part = bytes.subarray(at + 4, at + 2 + length)
    if (length < 2 || part.length !== length - 2) return undefined
    at += 2 + length
    if (kind === marker.sos) return headerFrom(part, { frame, interval, quanta, codes, data: at })
    if (kind === marker.dri) interval = ((part[0] ?? 0) << 8) | (part[1] ?? 0)
    else if (kind === marker.dqt) {
      if (!readQuanta(part, quanta)) return undefined
    } else if (kind === marker.dht) {
      if (!readCodes(part, codes)) return undefined
    } else if (kind === marker.sof0 || kind === marker.sof1) {
      if (frame) return undefined
      frame = readFrame(part)
      if (!frame) return undefined
    } else if (!isPlain(kind, part)) return undefined
  }
  return undefined
}

/** Whether a segment asks for nothing: comments, JFIF, Exif of an upright picture, Adobe's mark of luma and chroma. */
function isPlain(kind: number, part: Uint8Array): boolean {
  if (kind === marker.app1) return orientationOf(part) === 1
  if (kind === marker.app2) return !beginsWith(part, 'ICC_PROFILE')
  if (kind === marker.app14) return !beginsWith(part, 'Adobe') || part[11] === 1
  return kind === 0xfe || (kind >= 0xe0 && kind <= 0xef)
}

const beginsWith = (part: Uint8Array, text: string): boolean =>
  [...text].every((letter, i) => part[i] === letter.charCodeAt(0))

/** Exif's tag 0x0112 in the first directory; 1, upright, where there is none. */
function orientationOf(part: Uint8Array): number {
  if (!beginsWith(part, 'Exif\0\0')) return 1
  const view = new DataView(part.buffer, part.byteOffset + 6, part.byteLength - 6)
  if (view.byteLength < 8) return 1
  const little = view.getUint16(0) === 0x4949
  const start = view.getUint32(4, little)
  if (start + 2 > view.byteLength) return 1
  const entries = view.getUint16(start, little)
  for (let i = 0; i < entries; i++) {
    const entry = start + 2 + 12 * i
    if (entry + 12 > view.byteLength) return 1
    if (view.getUint16(entry, little) === 0x0112) return view.getUint16(entry + 8, little)
  }
  return 1
}

function readQuanta(part: Uint8Array, quanta: Uint16Array[]): boolean {
  for (let at = 0; at < part.length; ) {
    const [wide, place] = [part[at]! >> 4, part[at]! & 15]
    const size = wide ? 128 : 64
    if (place > 3 || wide > 1 || at + 1 + size > part.length) return false
    const numbers = part.subarray(at + 1, at + 1 + size)
    quanta[place] = Uint16Array.from({ length: 64 }, (_, i) =>
      wide ? (numbers[2 * i]! << 8) | numbers[2 * i + 1]! : numbers[i]!,
    )
    at += 1 + size
  }
  return true
}

function readCodes(part: Uint8Array, codes: (Uint8Array | undefined)[]): boolean {
  for (let at = 0; at < part.length; ) {
    const [kind, place] = [part[at]! >> 4, part[at]! & 15]
    const counts = part.subarray(at + 1, at + 17)
    const size = 16 + counts.reduce((sum, count) => sum + count, 0)
    if (kind > 1 || place > 3 || size > 272 || at + 1 + size > part.length) return false
    codes[4 * kind + place] = part.subarray(at + 1, at + 1 + size)
    at += 1 + size
  }
  return true
}

function readFrame(part: Uint8Array): Frame | undefined {
  const [bits, height, width] = [part[0], (part[1]! << 8) | part[2]!, (part[3]! << 8) | part[4]!]
  const count = part[5]!
  if (bits !== 8 || !(height > 0) || !(width > 0) || part.length !== 6 + 3 * count) return undefined
  const parts = Array.from({ length: count }, (_, i) => {
    const at = 6 + 3 * i
    return { id: part[at]!, h: part[at + 1]! >> 4, v: part[at + 1]! & 15, table: part[at + 2]! }
  })
  return { width, height, parts }
}

interface Found extends Pick<JpegHeader, 'interval' | 'quanta' | 'codes' | 'data'> {
  readonly frame: Frame | undefined
}

/** The header, when the scan holds all components and they are as usual. */
function headerFrom(scan: Uint8Array, { frame, ...found }: Found): JpegHeader | undefined {
  if (!frame) return undefined
  const { width, height, parts } = frame
  const isGrey = parts.length === 1
  if ((!isGrey && parts.length !== 3) || scan[0] !== parts.length || scan.length !== 4 + 2 * parts.length)
    return undefined
  // Three components named R, G, B are what their letters say.
  if (!isGrey && parts.map(({ id }) => String.fromCharCode(id)).join('') === 'RGB') return undefined
  const [first, ...rest] = parts as [Frame['parts'][number], ...Frame['parts']]
  if (![1, 2].includes(first.h) || ![1, 2].includes(first.v) || rest.some(({ h, v }) => h !== 1 || v !== 1))
    return undefined
  const components: JpegComponent[] = []
  for (const [i, { id, h, v, table }] of parts.entries()) {
    const tables = scan[2 + 2 * i]!
    const [means, others] = [tables >> 4, 4 + (tables & 15)]
    if (scan[1 + 2 * i] !== id || !found.quanta[table] || !found.codes[means] || !found.codes[others]) return undefined
    // The blocks of the only component stand one after the other, whatever its sampling.
    components.push({ h: isGrey ? 1 : h, v: isGrey ? 1 : v, quanta: table, means, others })
  }
  return { width, height, components, ...found }
}
