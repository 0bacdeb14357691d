/**
 * Writes houses.csv: 2930 houses that were sold in Ames, Iowa, from 2006 to 2010 (De Cock 2011), as the package modeldata of R holds them (`ames`). The
 * last column is the natural logarithm of the price in dollars: a mistake of ten per cent counts alike for cheap houses and dear ones.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packedFile } from '../../test/package-files.ts'
import { csvOf, frameColumns, type RVector, readRdb } from '../read-r-data.ts'

/** Writes the table to a path. */
export async function writeTable(path: string): Promise<void> {
  const index = await packedFile('r-cran-modeldata=1.1.0-1', 'usr/lib/R/site-library/modeldata/data/Rdata.rdx')
  const { Sale_Price: price, ...rest } = frameColumns(await readRdb(index.replace(/\.rdx$/, ''), 'ames'))
  const logs: RVector = { values: price!.values.map((value) => Math.log(value as number).toFixed(6)), attributes: {} }
  await writeFile(path, csvOf({ ...rest, log_price: logs }))
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeTable(join(import.meta.dirname, 'houses.csv'))
  console.log('wrote houses.csv')
}
