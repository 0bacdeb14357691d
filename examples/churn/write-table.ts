/** Writes customers.csv: 5000 customers of a telephone company and whether they left, as the package modeldata of R holds them (`mlc_churn`). */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packedFile } from '../../test/package-files.ts'
import { csvOf, frameColumns, readRdb } from '../read-r-data.ts'

/** Writes the table to a path. */
export async function writeTable(path: string): Promise<void> {
  const index = await packedFile('r-cran-modeldata=1.1.0-1', 'usr/lib/R/site-library/modeldata/data/Rdata.rdx')
  await writeFile(path, csvOf(frameColumns(await readRdb(index.replace(/\.rdx$/, ''), 'mlc_churn'))))
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeTable(join(import.meta.dirname, 'customers.csv'))
  console.log('wrote customers.csv')
}
