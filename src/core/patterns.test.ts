import { describe, expect, test } from 'vitest'
import { matching } from './patterns.ts'

const paths = [
  'embed/table',
  'block_0/dense/kernel',
  'block_0/dense/bias',
  'block_1/dense/kernel',
  'head/kernel',
  'head/bias',
]
const found = (pattern: string | RegExp) => matching(pattern, paths, 'groups[0]')

describe('patterns', () => {
  test.each([
    ['head', ['head/kernel', 'head/bias']],
    ['head/kernel', ['head/kernel']],
    ['block_*', ['block_0/dense/kernel', 'block_0/dense/bias', 'block_1/dense/kernel']],
    ['block_0/**', ['block_0/dense/kernel', 'block_0/dense/bias']],
    ['**/bias', ['block_0/dense/bias', 'head/bias']],
    ['*/bias', ['head/bias']],
    ['block_?/dense', undefined],
    ['**', paths],
    [/^block_[1-9]/, ['block_1/dense/kernel']],
    ['/^block_[1-9]/', ['block_1/dense/kernel']],
    [/KERNEL$/gi, ['block_0/dense/kernel', 'block_1/dense/kernel', 'head/kernel']],
  ] as const)('%s', (pattern, expected) => {
    if (expected) expect(found(pattern)).toEqual(expected)
    else expect(() => found(pattern)).toThrow('no trained parameter matches')
  })

  test('names as other frameworks write them', () => {
    const torch = [
      'encoder.layer.0.dense.weight',
      'encoder.layer.0.dense.bias',
      'encoder.layer.10.dense.weight',
      '/head/weight',
    ]
    const of = (pattern: string) => matching(pattern, torch, 'train')
    expect(of('encoder.layer.0')).toEqual(torch.slice(0, 2))
    expect(of('*.bias')).toEqual([torch[1]])
    expect(of('encoder.layer.*.weight')).toEqual([torch[0], torch[2]])
    expect(of('/head/weight')).toEqual(['/head/weight'])
    expect(() => of('encoder.layer.1')).toThrow(
      /no trained parameter matches 'encoder.layer.1'. Did you mean 'encoder.layer.[01]/,
    )
  })

  test('one that means nothing is refused with the nearest layer or path', () => {
    expect(() => found('hed')).toThrow("groups[0]: no trained parameter matches 'hed'. Did you mean 'head'?")
    expect(() => found('embed/tabel')).toThrow("Did you mean 'embed/table'?")
    expect(() => found('/[/')).toThrow("groups[0]: '/[/' is no regular expression")
  })
})
