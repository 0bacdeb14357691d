/** Writes penguins.csv: 344 penguins of three islands, as Vega's data sets hold them (Horst, Hill & Gorman 2020, palmerpenguins). */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packedFile } from '../../test/package-files.ts'

/** Names there and here. */
const columns = {
  Species: 'species',
  Sex: 'sex',
  'Body Mass (g)': 'mass',
  Island: 'island',
  'Beak Length (mm)': 'beakLength',
  'Beak Depth (mm)': 'beakDepth',
  'Flipper Length (mm)': 'flipperLength',
}

/** Writes the table to a path. */
export async function writeTable(path: string): Promise<void> {
  const file = await packedFile('vega-datasets@3.2.1', 'data/penguins.json')
  const rows = JSON.parse(await readFile(file, 'utf8')) as Record<string, string | number | null>[]
  // One sex is written '.', which is no sex.
  const cell = (value: string | number | null | undefined): string => (value === '.' ? '' : String(value ?? ''))
  const lines = rows.map((row) => Object.keys(columns).map((name) => cell(row[name])))
  await writeFile(path, `${[Object.values(columns), ...lines].map((cells) => cells.join(',')).join('\n')}\n`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeTable(join(import.meta.dirname, 'penguins.csv'))
  console.log('wrote penguins.csv')
}
