/** Reviews of food that somebody bought, and whether they gave all five stars, as the package modeldata of R holds them. */
import { createRandom } from 'quern/nn'
import { packedFile } from '../../test/package-files.ts'
import { frameColumns, readRdb } from '../read-r-data.ts'

export interface Reviews {
  readonly texts: readonly string[]
  /** 0: five stars, 1: fewer */
  readonly labels: Int32Array
}

export const classes: readonly string[] = ['great', 'other']

/**
 * Of the package's own two parts, which have no product in common: so many of the first one to train on, of the second one to test; of the second one all but those whose text stands in the first one too, word by word, under the number of another product (7 of 1000).
 */
export async function readReviews(
  counts: { readonly train: number; readonly test: number },
  seed: number,
): Promise<Readonly<Record<'train' | 'test', Reviews>>> {
  const [known, unseen] = [await readPart('training_data'), await readPart('testing_data')]
  const texts = new Set(known.texts)
  const order = rowsInOrder(known, seed).filter((i) => known.texts.indexOf(known.texts[i]!) === i)
  const fresh = rowsInOrder(unseen, seed).filter((i) => !texts.has(unseen.texts[i]!))
  return {
    train: rowsOf(known, order.slice(0, counts.train)),
    test: rowsOf(unseen, fresh.slice(0, counts.test)),
  }
}

async function readPart(name: string): Promise<Reviews> {
  const index = await packedFile('r-cran-modeldata=1.1.0-1', 'usr/lib/R/site-library/modeldata/data/Rdata.rdx')
  const { review, score } = frameColumns(await readRdb(index.replace(/\.rdx$/, ''), name))
  // R counts the levels of a factor from 1.
  return { texts: review!.values.map(String), labels: Int32Array.from(score!.values, (level) => Number(level) - 1) }
}

function rowsOf({ texts, labels }: Reviews, rows: readonly number[]): Reviews {
  return { texts: rows.map((i) => texts[i]!), labels: Int32Array.from(rows, (i) => labels[i]!) }
}

function rowsInOrder({ texts }: Reviews, seed: number): number[] {
  return createRandom(seed).shuffle([...texts.keys()])
}
