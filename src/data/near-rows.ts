/**
 * Rows of a table that are nearly the same: MinHash over what tells rows apart (Broder 1997, "On the resemblance and containment of documents"),
 * candidates by bands of hashes (Leskovec et al., "Mining of Massive Datasets", section 3.4), then the exact share of what two rows have in common.
 */
import { hashName } from '../core/random.ts'
import { type Column, cellText, type Table } from './table/table.ts'

export interface NearRows {
  readonly a: number
  readonly b: number
  /** of all marks of both rows the share that both have: Jaccard's index */
  readonly share: number
}

export interface NearRowsOptions {
  /** columns that are compared */
  readonly columns: readonly string[]
  /** least share; default 0.8 */
  readonly least?: number | undefined
  /** rows that are looked at; default the first 50,000 */
  readonly most?: number | undefined
}

/** 16 bands of 4: two rows of a share of 0.8 meet in one with a probability of 0.9998, of 0.4 with 0.34. */
const [bands, width] = [16, 4]
/** Rows of a bucket that another is compared with. */
const bucketSize = 24
/** Words that make one mark of a text. */
const shingle = 3

/**
 * Pairs of different rows that are nearly the same, each row with at most one earlier one. Columns count that tell rows apart: texts, and those
 * where most values are rare; a table without at least three of them, or a text, has no near duplicates.
 */
export function nearRows(table: Table, { columns, least = 0.8, most = 50_000 }: NearRowsOptions): NearRows[] {
  const telling = columns.map((name) => table.columns.get(name)!).filter((column) => tells(column, table.rows))
  if (telling.length < 3 && !telling.some(({ kind }) => kind === 'text')) return []
  const rows = Math.min(table.rows, most)
  const marks = Array.from({ length: rows }, (_, row) => marksOf(telling, row))
  const buckets = new Map<string, number[]>()
  const found: NearRows[] = []
  const seeds = Uint32Array.from({ length: bands * width }, (_, i) => hashName(`minhash/${i}`) | 1)
  const signature = new Uint32Array(seeds.length)
  for (let row = 0; row < rows; row++) {
    if (marks[row]!.size < 3) continue
    sign(marks[row]!, seeds, signature)
    const candidates = new Set<number>()
    for (let band = 0; band < bands; band++) {
      const key = `${band}:${signature.subarray(band * width, (band + 1) * width).join()}`
      const bucket = buckets.get(key)
      if (!bucket) buckets.set(key, [row])
      else {
        for (const other of bucket) candidates.add(other)
        if (bucket.length < bucketSize) bucket.push(row)
      }
    }
    const best = nearest(row, candidates, marks)
    if (best && best.share >= least) found.push(best)
  }
  return found
}

/** The earlier row that has the most in common with this one; rows that are the same are duplicates, not near ones. */
function nearest(row: number, candidates: ReadonlySet<number>, marks: readonly Set<number>[]): NearRows | undefined {
  let best: NearRows | undefined
  for (const other of candidates) {
    const share = jaccard(marks[other]!, marks[row]!)
    if (share < 1 && share > (best?.share ?? 0)) best = { a: other, b: row, share }
  }
  return best
}

function jaccard(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  let both = 0
  for (const mark of a) if (b.has(mark)) both++
  return both / (a.size + b.size - both)
}

/** The least of each hash over the marks: h(x) = mix(x * seed). */
function sign(marks: ReadonlySet<number>, seeds: Uint32Array, into: Uint32Array): void {
  into.fill(0xffffffff)
  for (const mark of marks) {
    for (let i = 0; i < seeds.length; i++) {
      let hash = Math.imul(mark ^ (mark >>> 15), seeds[i]!)
      hash = (hash ^ (hash >>> 13)) >>> 0
      if (hash < into[i]!) into[i] = hash
    }
  }
}

/** A column whose values are mostly rare: the commonest is in less than a twentieth of the rows. */
function tells(column: Column, rows: number): boolean {
  if (column.kind === 'text') return true
  if (column.kind === 'boolean' || column.kind === 'image' || column.kind === 'audio') return false
  const counts = new Map<string, number>()
  let top = 0
  for (let row = 0; row < rows; row++) {
    const text = cellText(column, row)
    if (text === undefined) continue
    const count = (counts.get(text) ?? 0) + 1
    counts.set(text, count)
    if (count > top) top = count
  }
  return counts.size > 20 && top < Math.max(2, rows / 20)
}

function marksOf(columns: readonly Column[], row: number): Set<number> {
  const marks = new Set<number>()
  for (const column of columns) {
    const text = cellText(column, row)
    if (text === undefined) continue
    if (column.kind !== 'text') marks.add(hashName(`${column.name}\0${text}`))
    else {
      const words = text.toLowerCase().split(/\W+/u).filter(Boolean)
      for (let i = 0; i === 0 || i + shingle <= words.length; i++) {
        marks.add(hashName(`${column.name}\0${words.slice(i, i + shingle).join(' ')}`))
      }
    }
  }
  return marks
}
