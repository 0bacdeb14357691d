import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mnistFile } from '../../test/mnist-files.ts'
import { createRandom } from '../core/random.ts'
import { tensor } from '../core/tensor.ts'
import { countClasses, createDataset, type Dataset, exampleName } from './dataset.ts'
import { loadIdxPair } from './idx-source.ts'
import { apportion, splitByPositions, splitByShare } from './split.ts'

function labelledDataset(
  classes: readonly number[],
  names = classes.map((_, i) => `n${String(i).padStart(5, '0')}`),
): Dataset {
  return createDataset({
    columns: { label: tensor('int32', [classes.length], Int32Array.from(classes)) },
    labels: Array.from({ length: Math.max(-1, ...classes) + 1 }, (_, i) => `c${i}`),
    names,
  })
}

const namesOf = (d: Dataset): string[] => Array.from({ length: d.length }, (_, i) => exampleName(d, i)).sort()

/** class of each of 6 to 90 examples, every class with at least two */
const classes = fc
  .array(fc.integer({ min: 2, max: 30 }), { minLength: 1, maxLength: 5 })
  .map((sizes) => sizes.flatMap((size, label) => new Array<number>(size).fill(label)))
  .filter((all) => all.length >= 3)
const share = fc.integer({ min: 1, max: 45 }).map((percent) => percent / 100)

describe('splitByShare', () => {
  it('is disjoint and complete, fills every split, and repeats with the seed', () => {
    fc.assert(
      fc.property(classes, share, share, fc.boolean(), fc.nat(), (all, validation, test, stratified, seed) => {
        const data = labelledDataset(all)
        const config = { validation, test, ...(stratified ? { stratify: 'label' } : {}) }
        const splits = splitByShare(data, config, createRandom(seed))
        const rows = Object.values(splits).flatMap((split) => Array.from(split.rows))
        expect(rows.length).toBe(data.length)
        expect(new Set(rows).size).toBe(data.length)
        for (const split of Object.values(splits)) expect(split.length).toBeGreaterThan(0)
        expect(splitByShare(data, config, createRandom(seed))).toMatchObject({ test: { rows: splits.test!.rows } })
      }),
    )
  })

  it('fills a split whose share no class can give without losing its place in another', () => {
    const config = { validation: 0.01, test: 0.01, stratify: 'label' }
    const splits = splitByShare(labelledDataset([0, 0, 1, 1]), config, createRandom(0))
    expect(Object.values(splits).map(({ length }) => length)).toEqual([2, 1, 1])
  })

  it('gives each class its share to within one example or two, and every class a place where it can', () => {
    fc.assert(
      fc.property(classes, share, share, fc.nat(), (all, validation, test, seed) => {
        const data = labelledDataset(all)
        const splits = splitByShare(data, { validation, test, stratify: 'label' }, createRandom(seed))
        const sizes = countClasses(data)
        for (const [name, part] of [
          ['validation', validation],
          ['test', test],
        ] as const) {
          const counts = countClasses(splits[name]!)
          for (const [label, size] of sizes.entries()) {
            expect(Math.abs(counts[label]! - size * part)).toBeLessThan(2)
            if (size >= 3) expect(counts[label]).toBeGreaterThan(0)
          }
        }
      }),
    )
  })

  it('does not depend on the order of storage', () => {
    fc.assert(
      fc.property(classes, fc.boolean(), fc.nat(), (all, stratified, seed) => {
        const order = Array.from(createRandom(seed).shuffle(Int32Array.from(all.keys())))
        const names = all.map((_, i) => `n${i}`)
        const shuffled = labelledDataset(
          order.map((i) => all[i]!),
          order.map((i) => names[i]!),
        )
        const config = { validation: 0.3, ...(stratified ? { stratify: 'label' } : {}) }
        const a = splitByShare(labelledDataset(all, names), config, createRandom(seed))
        const b = splitByShare(shuffled, config, createRandom(seed))
        expect(namesOf(b.validation!)).toEqual(namesOf(a.validation!))
        expect(namesOf(b.train!)).toEqual(namesOf(a.train!))
      }),
    )
  })

  it('splits MNIST with exact sizes and shares', async () => {
    const data = await loadIdxPair({
      images: mnistFile('train-images-idx3-ubyte'),
      labels: mnistFile('train-labels-idx1-ubyte'),
    })
    const { train, validation } = splitByShare(data, { validation: 0.1, stratify: 'label' }, createRandom(1))
    expect([train!.length, validation!.length]).toEqual([54000, 6000])
    expect(train!.columns.image!.data).toBe(data.columns.image!.data)
    const whole = countClasses(data)
    for (const [label, count] of countClasses(validation!).entries())
      expect(Math.abs(count - whole[label]! / 10)).toBeLessThan(1)
  })

  it('keeps the sizes of the whole although each class rounds the same way', () => {
    const data = labelledDataset(Array.from({ length: 120 }, (_, i) => i % 20))
    const { train, validation, test } = splitByShare(
      data,
      { validation: 0.25, test: 0.25, stratify: 'label' },
      createRandom(3),
    )
    expect([train!.length, validation!.length, test!.length]).toEqual([60, 30, 30])
  })

  it('refuses a class with one member, naming it', () => {
    const data = labelledDataset([0, 0, 0, 1, 2, 2])
    expect(() => splitByShare(data, { validation: 0.5, stratify: 'label' }, createRandom(1))).toThrow(
      "class 'c1' has one example, n00003, which cannot be in more than one split",
    )
    expect(splitByShare(data, { train: 1, stratify: 'label' }, createRandom(1)).train!.length).toBe(6)
    expect(splitByShare(data, { validation: 0.5 }, createRandom(1)).validation!.length).toBe(3)
  })

  it('refuses an empty split and wrong shares', () => {
    const two = labelledDataset([0, 0])
    const split =
      (config: object): (() => unknown) =>
      () =>
        splitByShare(two, config, createRandom(1))
    expect(split({ validation: 0.1, test: 0.1 })).toThrow("split 'test' would be empty: 2 examples")
    expect(split({ train: 0.8, validation: 0.1 })).toThrow('must add up to 1, received 0.9')
    expect(split({ validation: 1 })).toThrow('leave nothing to train on')
    expect(split({ validation: -0.1 })).toThrow('received -0.1')
    expect(split({ validaton: 0.1 })).toThrow("Did you mean 'validation'?")
    expect(split({ validation: 0.5, stratify: 'lable' })).toThrow("no column 'lable'")
  })
})

describe('apportion', () => {
  it('adds up, is within one of the exact share, and empties none where it can', () => {
    const shares = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), shares, (total, weights) => {
        const counts = apportion(total, weights)
        expect(counts.reduce((a, b) => a + b, 0)).toBe(total)
        if (total >= weights.length) expect(Math.min(...counts)).toBeGreaterThan(0)
      }),
    )
    expect(apportion(10, [0.8, 0.1, 0.1])).toEqual([8, 1, 1])
    expect(apportion(3, [0.98, 0.01, 0.01])).toEqual([1, 1, 1])
    expect(apportion(7, [0.5, 0.5])).toEqual([4, 3])
  })
})

describe('splitByPositions', () => {
  const data = labelledDataset([0, 1, 0, 1])

  it('takes given positions', () => {
    const { train, test } = splitByPositions(data, { train: [3, 0, 1], test: [2] })
    expect(Array.from(train!.rows)).toEqual([3, 0, 1])
    expect(test!.length).toBe(1)
  })

  it('refuses overlaps, examples left over and empty splits', () => {
    expect(() => splitByPositions(data, { train: [0, 1, 2, 3], test: [1] })).toThrow(
      "n00001 is in split 'test' and already in 'train'",
    )
    expect(() => splitByPositions(data, { train: [0, 1, 3] })).toThrow('n00002 is in no split')
    expect(() => splitByPositions(data, { train: [0, 1, 2, 3], validation: [] })).toThrow("split 'validation' is empty")
  })
})
