/**
 * Writes breast-cancer.csv: the Wisconsin diagnostic data, 569 rows of 30 numbers measured on pictures of cell nuclei, as Debian's
 * package python3-sklearn holds it, with the columns' names in the first line.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageFolder } from '../../test/package-files.ts'

const measures = [
  'radius',
  'texture',
  'perimeter',
  'area',
  'smoothness',
  'compactness',
  'concavity',
  'concave points',
  'symmetry',
  'fractal dimension',
]
const names = ['mean', 'error', 'worst'].flatMap((kind) =>
  measures.map((measure) => (kind === 'error' ? `${measure} error` : `${kind} ${measure}`)),
)

/** Writes the table to a path. */
export async function writeTable(path: string): Promise<void> {
  const folder = await packageFolder('python3-sklearn=1.2.1+dfsg-1')
  const file = join(folder, 'usr/lib/python3/dist-packages/sklearn/datasets/data/breast_cancer.csv')
  // The first line counts rows and columns and names the classes of the last column.
  const [head, ...lines] = (await readFile(file, 'utf8')).trim().split(/\r?\n/)
  const classes = head!.split(',').slice(2)
  const rows = lines.map((line) => {
    const at = line.lastIndexOf(',')
    return `${line.slice(0, at)},${classes[Number(line.slice(at + 1))]}`
  })
  await writeFile(path, `${[[...names, 'diagnosis'].join(','), ...rows].join('\n')}\n`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeTable(join(import.meta.dirname, 'breast-cancer.csv'))
  console.log('wrote breast-cancer.csv')
}
