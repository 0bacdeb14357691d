import { describe, expect, it } from 'vitest'
import { tensor } from '../core/tensor.ts'
import { countClasses, createDataset, exampleData, exampleName, labelsOf, subset } from './dataset.ts'

const image = tensor('uint8', [4, 1, 1, 2], Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7))
const label = tensor('int32', [4], Int32Array.of(0, 1, 1, 0))
const data = createDataset({ columns: { image, label }, labels: ['cat', 'dog'], names: ['a', 'b', 'c', 'd'] })

describe('subset', () => {
  it('shares the pixels and keeps names', () => {
    const picked = subset(subset(data, [3, 1, 2]), [2, 0])
    expect(picked.columns.image!.data).toBe(image.data)
    expect(picked.length).toBe(2)
    expect([exampleName(picked, 0), exampleName(picked, 1)]).toEqual(['c', 'd'])
    expect(exampleData(picked, 'image', 0).data).toEqual(Uint8Array.of(4, 5))
    expect(Array.from(labelsOf(picked))).toEqual([1, 0])
    expect(countClasses(picked)).toEqual([1, 1])
  })

  it('refuses positions that are not there', () => {
    expect(() => subset(data, [4])).toThrow('received 4')
    expect(() => subset(data, [0.5])).toThrow('received 0.5')
  })
})

describe('createDataset', () => {
  it('refuses columns of different lengths and a wrong number of names', () => {
    const short = tensor('int32', [3], Int32Array.of(0, 1, 1))
    expect(() => createDataset({ columns: { image, label: short } })).toThrow("'image' has 4, 'label' has 3")
    expect(() => createDataset({ columns: { image }, names: ['a'] })).toThrow(
      'expected 4 names of examples, received 1',
    )
    expect(() => createDataset({ columns: {} })).toThrow('at least one column')
  })

  it('counts refuse a class that has no name', () => {
    expect(() => countClasses(createDataset({ columns: { label }, labels: ['cat'] }))).toThrow('class 1')
  })

  it('names the columns when one is missing', () => {
    expect(() => exampleData(data, 'imgae', 0)).toThrow('its columns are image, label')
  })
})
