import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseWith } from '../contract/parse.ts'
import { encodePng } from '../data/sharp-encoder.ts'
import { taskNamed, tasks } from './index.ts'
import type { TaskConfig, TaskData } from './task.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'quern-task-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** Grey pictures of 8 x 8, all of one class alike. */
async function pictures(folder: string, counts: Readonly<Record<string, number>>): Promise<void> {
  for (const [label, count] of Object.entries(counts)) {
    await mkdir(join(root, folder, label), { recursive: true })
    const data = new Uint8Array(64).fill(label.charCodeAt(0))
    const png = await encodePng({ dtype: 'uint8', shape: [1, 8, 8], data })
    for (let i = 0; i < count; i++) await writeFile(join(root, folder, label, `${i}.png`), png)
  }
}

/** An IDX file of unsigned bytes. */
function idx(sizes: readonly number[], data: ArrayLike<number>): Uint8Array {
  const header = [0, 0, 8, sizes.length, ...sizes.flatMap((size) => [0, 0, size >> 8, size & 255])]
  return Uint8Array.from([...header, ...Array.from(data)])
}

const task = taskNamed('image-classification')

function load(data: object): Promise<TaskData> {
  const image = { height: 8, width: 8, channels: 1 }
  const raw = { task: task.name, seed: 1, data: { image, ...data } }
  return task.load(parseWith(task.schema, raw, 'test') as TaskConfig, { root })
}

const lengths = ({ splits }: TaskData) =>
  Object.fromEntries(Object.entries(splits).map(([name, { length }]) => [name, length]))

describe('splits', () => {
  it('are made by share, each class alike, the same for the same seed', async () => {
    await pictures('plain', { a: 10, b: 20 })
    const data = await load({ source: 'plain', split: { validation: 0.2, test: 0.1 } })
    expect(lengths(data)).toEqual({ train: 21, validation: 6, test: 3 })
    expect(data.labels).toEqual(['a', 'b'])
    const again = await load({ source: 'plain', split: { validation: 0.2, test: 0.1 } })
    expect(again.splits.test!.rows).toEqual(data.splits.test!.rows)
  })

  it('that the folders give are kept; validation is taken of train where it is missing', async () => {
    await pictures('given/train', { a: 10, b: 10 })
    await pictures('given/test', { a: 3, b: 3 })
    expect(lengths(await load({ source: 'given' }))).toEqual({ train: 18, validation: 2, test: 6 })
    expect(lengths(await load({ source: 'given', split: { validation: 0 } }))).toEqual({ train: 20, test: 6 })
    await pictures('given/validation', { a: 2, b: 2 })
    expect(lengths(await load({ source: 'given' }))).toEqual({ train: 20, validation: 4, test: 6 })
  })

  it('without training examples are refused', async () => {
    await mkdir(join(root, 'idx-test'))
    await writeFile(join(root, 'idx-test/t10k-images-idx3-ubyte'), idx([2, 4, 4], new Uint8Array(32)))
    await writeFile(join(root, 'idx-test/t10k-labels-idx1-ubyte'), idx([2], [0, 1]))
    await expect(load({ source: 'idx-test', image: {} })).rejects.toThrow(
      /idx-test has no training examples: it gives only test/,
    )
  })
})

describe('IDX files', () => {
  it('bring their own size; names of classes come from the configuration', async () => {
    await mkdir(join(root, 'idx'))
    await writeFile(join(root, 'idx/train-images-idx3-ubyte'), idx([6, 4, 5], new Uint8Array(120)))
    await writeFile(join(root, 'idx/train-labels-idx1-ubyte'), idx([6], [0, 1, 0, 1, 0, 1]))
    const data = await load({ source: 'idx', image: {}, labels: ['no', 'yes'], split: { validation: 0, test: 0 } })
    expect(data.labels).toEqual(['no', 'yes'])
    expect(data.preprocessing).toMatchObject({ kind: 'image', height: 4, width: 5, channels: 1 })
    await expect(load({ source: 'idx' })).rejects.toThrow(/data.image.height is 8, the IDX files .* height 4/)
  })
})

describe('the table of tasks', () => {
  it('finds a task by name', () => {
    expect(tasks).toContain(task)
    expect(() => taskNamed('image-clasification')).toThrow(/Did you mean 'image-classification'\?/)
    expect(() => taskNamed(undefined)).toThrow(/the configuration needs a task: image-classification/)
  })

  it('writes a starter that its own schema accepts', () => {
    for (const { name, starter } of tasks) {
      const files = starter({ source: './photos', name: 'x' })
      expect(Object.keys(files)).toContain('quern.config.ts')
      expect(files['quern.config.ts']).toContain(`task: '${name}'`)
    }
  })
})
