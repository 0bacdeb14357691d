/**
 * Writes diabetes.csv: 768 women of the Pima near Phoenix, eight measurements each, and whether they got diabetes within five years; as the
 * package mlbench of R holds them, with the zeros that meant "not measured" as missing values.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packedFile } from '../../test/package-files.ts'
import { csvOf, frameColumns, readRda } from '../read-r-data.ts'

/** Writes the table to a path. */
export async function writeTable(path: string): Promise<void> {
  const file = 'usr/lib/R/site-library/mlbench/data/PimaIndiansDiabetes2.rda'
  const { PimaIndiansDiabetes2: frame } = await readRda(await packedFile('r-cran-mlbench=2.1-3-1', file))
  await writeFile(path, csvOf(frameColumns(frame!)))
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeTable(join(import.meta.dirname, 'diabetes.csv'))
  console.log('wrote diabetes.csv')
}
