import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatBytes, formatDuration, formatName, formatPercent, formatScore } from './numbers.ts'
import { progressLine } from './progress-line.ts'
import { scoreLine } from './score-line.ts'
import { table } from './table.ts'
import { cut, harmless, pad, textWidth } from './text-width.ts'

describe('width', () => {
  test.each([
    ['cat', 3],
    ['猫咪', 4],
    ['ネコ', 4],
    ['고양이', 6],
    ['é', 1],
    ['e\u0301', 1],
    ['🐈', 2],
    ['\u001b[31mred\u001b[39m', 3],
    ['', 0],
  ])('of %j is %i', (text, width) => {
    expect(textWidth(text)).toBe(width)
  })

  test('a text that is cut fits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 30 }), (text, width) => {
        expect(textWidth(cut(text, width))).toBeLessThanOrEqual(Math.max(width, 0))
      }),
    )
    expect(cut('a long name', 8)).toBe('a lon...')
    expect(pad('猫', 4)).toBe('猫  ')
  })

  test('names cannot steer the terminal', () => {
    expect(harmless('a\u001b[2Jb\nc\u202ed')).toBe('a\ufffd[2Jb\ufffdc\ufffdd')
  })
})

describe('numbers', () => {
  test('scores', () => {
    expect([0, 0.98765, 1, 12.3456, 123456, 1e-5, 2e7, -0.5, -1234.56, 2.5e13].map(formatScore)).toEqual([
      '0',
      '0.9877',
      '1.000',
      '12.35',
      '123,456',
      '1.00e-5',
      '20,000,000',
      '-0.5000',
      '-1,235',
      '2.50e+13',
    ])
  })
  test('durations, bytes, shares, names', () => {
    expect([0, 59.6, 61, 3600, 36610].map(formatDuration)).toEqual(['0:00', '1:00', '1:01', '1:00:00', '10:10:10'])
    expect([0, 999, 1000, 318_540, 5.2e9].map(formatBytes)).toEqual(['0 B', '999 B', '1.00 kB', '319 kB', '5.20 GB'])
    expect([0.9667, 1, 0.99999].map(formatPercent)).toEqual(['96.7 %', '100 %', '100 %'])
    const names = ['validationAccuracy', 'top5Accuracy', 'loss', 'sensitivityAt97.5Specificity']
    expect(names.map(formatName)).toEqual([
      'validation accuracy',
      'top5 accuracy',
      'loss',
      'sensitivity at 97.5 % specificity',
    ])
  })
})

describe('the progress line', () => {
  const progress = {
    title: 'epoch 2/5',
    done: 800,
    total: 1600,
    parts: ['0:21 left', 'loss 0.1234', 'accuracy 0.9612', '212 steps/s'],
  }
  test('shows everything when there is room', () => {
    expect(progressLine(progress, 120)).toBe(
      'epoch 2/5 [===========>          ]  800/1600  0:21 left  loss 0.1234  accuracy 0.9612  212 steps/s',
    )
  })
  test('gives up the bar, then the last parts', () => {
    expect(progressLine(progress, 80)).toBe(
      'epoch 2/5   800/1600  0:21 left  loss 0.1234  accuracy 0.9612  212 steps/s',
    )
    expect(progressLine(progress, 50)).toBe('epoch 2/5   800/1600  0:21 left  loss 0.1234')
  })
  test('never reaches the last column, where it would wrap', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 0, max: 1600 }), (columns, done) => {
        expect(textWidth(progressLine({ ...progress, done }, columns))).toBeLessThan(Math.max(columns, 2))
      }),
    )
  })
  test('begins empty and ends full', () => {
    expect(progressLine({ ...progress, done: 0, parts: [] }, 80)).toContain('[>')
    expect(progressLine({ ...progress, done: 1600, parts: [] }, 80)).toContain('=]')
  })
})

describe('tables', () => {
  const columns = [
    { title: 'class', value: ([name]: [string, number]) => name },
    { title: 'count', align: 'right' as const, value: ([, count]: [string, number]) => String(count) },
  ]
  test('columns stand below each other, also with wide characters', () => {
    expect(
      table(columns, [
        ['猫', 12],
        ['dog', 7],
      ]),
    ).toEqual(['class  count', '猫        12', 'dog        7'])
  })
  test('are cut to the terminal', () => {
    for (const line of table(columns, [['a very long class name', 1]], { width: 12 })) {
      expect(textWidth(line)).toBeLessThanOrEqual(12)
    }
  })
  test('a long name leaves room for the other columns', () => {
    const [head, line] = table(columns, [['name'.repeat(100), 17]], { width: 80 })
    expect(line).toMatch(/^name.*\.\.\. +17$/)
    expect(textWidth(head!)).toBe(textWidth(line!))
    expect(table(columns, [['name'.repeat(100), 17]]).join()).toContain('name'.repeat(100))
  })
  test('what is typed again is not shortened for the others', () => {
    const run = '20261129-231114-the-model-of-a-project-with-a-long-name-2'
    const whole = [{ title: 'run', value: ([name]: [string, number]) => name, isWhole: true }, columns[1]!]
    expect(table(whole, [[run, 17]], { width: 80 })[1]).toBe(`${run}     17`)
  })
  test('a value cannot break the line', () => {
    expect(table(columns, [['a\nb', 1]])).toHaveLength(2)
  })
})

describe('the scores of a split', () => {
  const values = { accuracy: 0.75, crossEntropy: 0.5, f1: 0.7, areaUnderRoc: 0.83, sensitivityAt90Specificity: 0.4 }
  test.each([
    [['accuracy'], 'test    accuracy 0.7500  loss 0.5000'],
    [
      ['areaUnderRoc', 'sensitivityAt90Specificity'],
      'test    area under roc 0.8300  sensitivity at 90 % specificity 0.4000  loss 0.5000',
    ],
    [
      ['crossEntropy'],
      'test    accuracy 0.7500  f1 0.7000  area under roc 0.8300  sensitivity at 90 % specificity 0.4000  loss 0.5000',
    ],
    [['top3Accuracy', 'f1'], 'test    f1 0.7000  loss 0.5000'],
  ])('are those that were asked for: %j', (asked, expected) => {
    expect(scoreLine('test', values, asked, 7)).toBe(expected)
  })
  test('of numbers have no loss', () => {
    expect(scoreLine('mean', { r2: 0.5, meanAbsoluteError: 2 }, ['r2'], 4)).toBe('mean r2 0.5000')
  })
})
