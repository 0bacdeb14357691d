/** An origin whose rows come from elsewhere once, through a spool. */
import { QuernError } from '../../core/errors.ts'
import { type Spool, type SpoolRows, spoolRows } from './spool.ts'
import type { TableOrigin } from './table-origin.ts'

export interface SpooledOptions {
  readonly what: string
  readonly folder: string
  /** the rows, each batch as it comes; its errors name what was asked and how far it came */
  batches(): AsyncIterable<SpoolRows>
  /** default: counted from 1 */
  readonly nameOfRow?: ((row: number) => string) | undefined
}

/** From this size on different values are estimated before they are counted. */
const largeBytes = 4e6

export function spooledOrigin({ what, folder, batches, nameOfRow }: SpooledOptions): TableOrigin {
  let spool: Promise<Spool | undefined> | undefined
  let bytes = 0
  /** whoever reads the table releases its origin, and so does whoever opened it */
  let released: Promise<void> | undefined
  const filled = async (): Promise<Spool> => {
    spool ??= spoolRows(batches())
    const found = await spool
    if (!found) throw new QuernError('input', `${what} has no rows`)
    bytes = found.bytes
    return found
  }
  return {
    what,
    folder,
    get isLarge() {
      return bytes > largeBytes
    },
    relation: async () => (await filled()).relation,
    nameOfRow: nameOfRow ?? ((row) => `${what} row ${row + 1}`),
    rowNames: () => ({ parts: [{ what, first: 0 }] }),
    skipped: async () => [],
    // What was read is a copy: nothing can change it.
    verify: async () => undefined,
    digest: async () => (await filled()).digest,
    asError: (message, cause) => new QuernError('input', `${what}: ${message.split('\n')[0]}`, { cause }),
    release: () =>
      (released ??= (spool ?? Promise.resolve(undefined)).then((found) => found?.release()).catch(() => undefined)),
  }
}
