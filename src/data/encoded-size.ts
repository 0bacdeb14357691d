/** How large the encoded rows of a table will be, before anything of it was fitted: what decides whether they are kept in memory. */
import { defaultFeatures } from './features/index.ts'
import type { ColumnInfo, TableSchema } from './table/table-source.ts'
import type { ColumnWish } from './table-columns.ts'

/** Bytes of a cell by feature where it is more than a number; those of lists and sounds are guesses, which depend on the data. */
const widths: Readonly<Record<string, (options: Readonly<Record<string, number>>, info: ColumnInfo) => number>> = {
  date: () => 32,
  bag: ({ buckets = 128 }) => 8 * buckets,
  multiHot: ({ most = 256 }, { distinct }) => 8 * Math.min(most, distinct + 1),
  vector: () => 8 * 64,
  pixels: ({ height = 32, width = 32, channels = 3 }) => height * width * channels,
  words: ({ length = 64 }) => 4 * length,
  logMel: () => 4 * 64 * 100,
  mfcc: () => 4 * 20 * 100,
  stft: () => 4 * 257 * 100,
  waveform: () => 4 * 16_000,
}

/** Bytes of all rows. */
export function encodedSize({ rows, columns }: TableSchema, wishes: Readonly<Record<string, ColumnWish>>): number {
  const bytes = columns.map((info) => {
    const { feature = defaultFeatures[info.kind], options = {} } = wishes[info.name] ?? {}
    return widths[feature ?? '']?.(options as Readonly<Record<string, number>>, info) ?? 8
  })
  return rows * bytes.reduce((sum, each) => sum + each, 0)
}
