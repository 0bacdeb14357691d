/**
 * Data frames of R, for the examples whose data lies in Debian's packages of R: `.rda` files, and the `.rdb` and `.rdx` pairs of installed packages.
 * Needs the program `xz`, which Node has no counterpart of. Source: "R Internals", section 1.8 (serialization formats), version 2 and 3 of XDR.
 */
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { gunzipSync, inflateSync } from 'node:zlib'
import { QuernError, suggestion } from '../src/core/errors.ts'

/** A value of R: a vector of any type, with its attributes. */
export interface RVector {
  readonly values: readonly (number | string | boolean | undefined | RVector)[]
  readonly attributes: Readonly<Record<string, RVector>>
}

const nothing: RVector = { values: [], attributes: {} }
/** R's missing integer */
const missingInteger = -(2 ** 31)

/** Values of an `.rda` file by name. */
export async function readRda(path: string): Promise<Record<string, RVector>> {
  const bytes = unpacked(await readFile(path))
  const head = bytes.subarray(0, 5).toString('latin1')
  if (head !== 'RDX2\n' && head !== 'RDX3\n') throw new QuernError('input', `${path} is no .rda file of R`)
  return new Reader(bytes.subarray(5)).read().attributes as Record<string, RVector>
}

/** One value of an installed package's data: `path` without `.rdb`. */
export async function readRdb(path: string, name: string): Promise<RVector> {
  const index = new Reader(unpacked(await readFile(`${path}.rdx`))).read()
  const variables = named(named(index).variables!)
  const place = variables[name]
  if (!place) throw new QuernError('missing', `${path} holds no '${name}'. ${suggestion(name, Object.keys(variables))}`)
  const [at, length] = place.values as [number, number]
  const chunk = (await readFile(`${path}.rdb`)).subarray(at, at + length)
  // The length, then zlib's bytes, or 'Z' and raw LZMA2.
  const body = chunk.subarray(4)
  return new Reader(
    body[0] === 0x5a ? xz(body.subarray(1), ['--format=raw', '--lzma2=preset=9e']) : inflateSync(body),
  ).read()
}

/** Columns of a data frame by name. */
export const frameColumns = (frame: RVector): Record<string, RVector> => named(frame)

/** Columns of equal length as CSV; what is missing is empty. */
export function csvOf(columns: Readonly<Record<string, RVector>>): string {
  const names = Object.keys(columns)
  const cells = names.map((name) => textsOf(columns[name]!))
  const lines = cells[0]!.map((_, row) => cells.map((column) => quoted(column[row]!)).join(','))
  return `${[names.map(quoted).join(','), ...lines].join('\n')}\n`
}

const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** Elements of a list by their names. */
function named(list: RVector): Record<string, RVector> {
  const names = (list.attributes.names?.values ?? []) as string[]
  return Object.fromEntries(names.map((name, i) => [name, list.values[i] as RVector]))
}

/** The cells of a column; factors by their levels. */
function textsOf({ values, attributes }: RVector): string[] {
  const levels = attributes.levels?.values as string[] | undefined
  return values.map((value) => {
    if (value === undefined) return ''
    return levels ? levels[(value as number) - 1]! : String(value)
  })
}

function xz(bytes: Uint8Array, options: readonly string[] = []): Buffer {
  return execFileSync('xz', ['--decompress', '--stdout', ...options], { input: bytes, maxBuffer: 1 << 28 })
}

function unpacked(bytes: Buffer): Buffer {
  if (bytes[0] === 0xfd) return xz(bytes)
  if (bytes[0] === 0x1f) return gunzipSync(bytes)
  return bytes[0] === 0x78 ? inflateSync(bytes) : bytes
}

/** Serialized values, big-endian. */
class Reader {
  readonly #bytes: Buffer
  #at = 0
  readonly #references: RVector[] = []

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    if (bytes.subarray(0, 2).toString('latin1') !== 'X\n') throw new QuernError('input', 'these are no XDR bytes of R')
    this.#at = 2
    const version = this.#integer()
    this.#at += 8
    // Version 3 names the encoding of texts.
    const encoding = version === 3 ? this.#integer() : 0
    this.#at += encoding
  }

  read(): RVector {
    const flags = this.#integer()
    const type = flags & 0xff
    switch (type) {
      case 254: // NULL
      case 253: // the global environment
      case 242: // the empty environment
      case 241: // the base environment
        return nothing
      case 1: {
        const symbol = this.read()
        this.#references.push(symbol)
        return symbol
      }
      case 255: {
        const given = flags >>> 8
        return this.#references[(given === 0 ? this.#integer() : given) - 1]!
      }
      case 2:
        return this.#pairs(flags)
      case 9: {
        const length = this.#integer()
        if (length === -1) return { values: [undefined], attributes: {} }
        this.#at += length
        return { values: [this.#bytes.toString('utf8', this.#at - length, this.#at)], attributes: {} }
      }
      case 238:
        return this.#alternative()
      default:
        return this.#withAttributes(this.#elements(type), flags)
    }
  }

  #integer(): number {
    this.#at += 4
    return this.#bytes.readInt32BE(this.#at - 4)
  }

  #double(): number | undefined {
    this.#at += 8
    const value = this.#bytes.readDoubleBE(this.#at - 8)
    return Number.isNaN(value) ? undefined : value
  }

  #elements(type: number): RVector['values'] {
    const length = this.#integer()
    const all = <T>(read: () => T): T[] => Array.from({ length }, read)
    const integers = (): (number | undefined)[] =>
      all(() => this.#integer()).map((value) => (value === missingInteger ? undefined : value))
    switch (type) {
      case 10:
        return integers().map((value) => (value === undefined ? undefined : value !== 0))
      case 13:
        return integers()
      case 14:
        return all(() => this.#double())
      case 16:
        return all(() => this.read().values[0])
      case 19:
      case 20:
        return all(() => this.read())
      default:
        throw new QuernError('unsupported', `values of R's type ${type} are not read`)
    }
  }

  /** A list of names and values: attributes, and the whole of an .rda file. */
  #pairs(first: number): RVector {
    const attributes: Record<string, RVector> = {}
    const values: RVector[] = []
    for (let flags = first; (flags & 0xff) === 2; flags = this.#integer()) {
      if (flags & 0x200) this.read()
      const tag = flags & 0x400 ? String(this.read().values[0]) : String(values.length)
      const value = this.read()
      attributes[tag] = value
      values.push(value)
    }
    return { values, attributes }
  }

  #withAttributes(values: RVector['values'], flags: number): RVector {
    return { values, attributes: flags & 0x200 ? this.read().attributes : {} }
  }

  /** Version 3 writes some vectors in short: ranges of numbers, and wrappers. */
  #alternative(): RVector {
    const name = String((this.read().values[0] as RVector).values[0])
    const state = this.read()
    const { attributes } = this.read()
    if (name.startsWith('wrap_')) return { ...(state.values[0] as RVector), attributes }
    if (name !== 'compact_intseq' && name !== 'compact_realseq') {
      throw new QuernError('unsupported', `R's vectors in the form '${name}' are not read`)
    }
    const [length, from, step] = state.values as [number, number, number]
    return { values: Array.from({ length }, (_, i) => from + i * step), attributes }
  }
}
