import { describe, expect, it } from 'vitest'
import { float32, type Tensor } from '../../core/tensor.ts'
import { GraphBuilder } from '../../graph/builder.ts'
import { writeModel } from '../../onnx/write.ts'
import { Emitter } from '../../ops/emitter.ts'
import { table as operators } from '../../ops/index.ts'
import { createNodeBackend } from '../../runtime/onnxruntime-node.ts'
import { columnFromValues } from '../table/cells.ts'
import type { ColumnKind, Table } from '../table/table.ts'
import { features } from './index.ts'
import { createTableEncoder } from './table-encoder.ts'

const columnOf = (kind: ColumnKind, values: readonly unknown[]) =>
  columnFromValues({ name: 'c', kind, missing: [''] }, values)

/** What a feature, fitted on the first values, makes of other values. */
async function encoded(
  feature: string,
  kind: ColumnKind,
  fitOn: readonly unknown[],
  values: readonly unknown[],
  options = {},
) {
  const record = features.find(({ name }) => name === feature)!
  const training = columnOf(kind, fitOn)
  const state = JSON.parse(
    JSON.stringify(record.fit({ column: training, rows: fitOn.map((_, i) => i) }, options)),
  ) as Record<string, unknown>
  const encoder = createTableEncoder([{ name: 'c', kind, feature, state }])
  const rows: Table = { rows: values.length, first: 0, columns: new Map([['c', columnOf(kind, values)]]) }
  const unseen: string[] = []
  const blocks = encoder.encode(rows, (_, value) => unseen.push(value))
  const g = new Emitter(operators, new GraphBuilder('t'))
  const parameters = new Map<string, Tensor>()
  const inputs = Object.fromEntries(
    Object.entries(blocks).map(([name, { dtype, shape }]) => [
      name,
      g.builder.input(name, { dtype, shape: ['batch', shape[1]!] }),
    ]),
  )
  const parameter = (name: string, { shape }: { shape: readonly number[] }) => {
    const size = shape.reduce((a, b) => a * b, 1)
    parameters.set(
      name,
      float32(
        shape,
        Float32Array.from({ length: size }, (_, i) => i),
      ),
    )
    return g.builder.parameter(name, { dtype: 'float32', shape })
  }
  const output = encoder.graph({ g, parameter }, inputs, { linear: false })
  const session = await createNodeBackend().createSession(writeModel(g.builder.finish([output]), { parameters }).model)
  const result = (await session.run(blocks))[output.name]!
  await session.release()
  const width = result.shape[1]!
  const all = Array.from(result.data as Float32Array, (x) => Number(x.toFixed(4)) + 0)
  return { rows: values.map((_, i) => all.slice(i * width, (i + 1) * width)), unseen, state }
}

describe('numbers, in the graph', () => {
  it.each<[string, readonly unknown[], readonly unknown[], number[][]]>([
    ['standard', [1, 3], [1, 3, 2, ''], [[-1], [1], [0], [0]]],
    [
      'standard',
      [1, 3, ''],
      [3, ''],
      [
        [1, 0],
        [0, 1],
      ],
    ],
    ['standard', [5, 5], [5, 7], [[0], [2]]],
    ['minMax', [2, 4], [2, 4, 5], [[0], [1], [1.5]]],
    ['robust', [0, 1, 2, 3, 4], [2, 4], [[0], [1]]],
    ['log', [0, Math.E - 1], [0, Math.E - 1, 1 - Math.E], [[-1], [1], [-3]]],
    ['quantile', [0, 1, 2, 3, 4], [0, 2, 4, 9], [[-1], [0], [1], [1]]],
  ])('%s of %j', async (feature, fitOn, values, expected) => {
    expect((await encoded(feature, 'number', fitOn, values)).rows).toEqual(expected)
  })

  it('piecewise says how far it is through each bin', async () => {
    const { rows } = await encoded('piecewise', 'number', [0, 1, 2, 3, 4], [-1, 1, 3, 9], { bins: 2 })
    expect(rows).toEqual([
      [0, 0],
      [0.5, 0],
      [1, 0.5],
      [1, 1],
    ])
  })

  it('large numbers that differ little keep their differences', async () => {
    const { rows } = await encoded('standard', 'number', [1e9, 1e9 + 2], [1e9, 1e9 + 1, 1e9 + 2])
    expect(rows).toEqual([[-1], [0], [1]])
  })

  it('periodic gives sines and cosines of what is trained', async () => {
    const { rows } = await encoded('periodic', 'number', [-1, 1], [0.25], { frequencies: 2 })
    expect(rows).toEqual([[0.25, 0, 1, 1, 0]])
  })
})

describe('categories', () => {
  it('one-hot: the commonest first, zeros for what was not seen', async () => {
    const { rows, unseen } = await encoded('oneHot', 'category', ['b', 'a', 'b', ''], ['a', 'b', '', 'z'])
    expect(rows).toEqual([
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 0],
      [0, 0, 0],
    ])
    expect(unseen).toEqual(['z'])
  })

  it('embedding: a row of the table each, the first for what was not seen', async () => {
    const { rows } = await encoded('embedding', 'category', ['b', 'a', 'b'], ['a', 'b', 'z'], { size: 2 })
    expect(rows).toEqual([
      [6, 7],
      [4, 5],
      [0, 1],
    ])
  })

  it('boolean: 0 where it is missing', async () => {
    expect((await encoded('boolean', 'boolean', [true], [true, false, ''])).rows).toEqual([[1], [-1], [0]])
  })

  it('bag: equal words, equal vectors of length 1', async () => {
    const { rows } = await encoded('bag', 'text', ['x'], ['Red car', 'car, RED!', ''], { buckets: 64 })
    expect(rows[0]).toEqual(rows[1])
    expect(Math.hypot(...rows[0]!)).toBeCloseTo(1, 3)
    expect(Math.hypot(...rows[2]!)).toBe(0)
  })
})

describe('sets and vectors', () => {
  it.each([
    ['a;b', 'b ; c'],
    ['["a","b"]', '["b","c"]'],
    ['a|b', '[b, c]'],
  ])('multiHot: a 1 for each member, written as %s', async (first, second) => {
    const { rows, unseen } = await encoded('multiHot', 'set', [first, 'b', ''], [second, first, '', '[]'])
    // b is the commoner; the last cell says that there is no set.
    expect(rows).toEqual([
      [1, 0, 0],
      [1, 1, 0],
      [0, 0, 1],
      [0, 0, 0],
    ])
    expect(unseen).toEqual(['c'])
  })

  it('vector: each element by its own mean and deviation', async () => {
    const { rows } = await encoded('vector', 'vector', ['[1, 10]', [3, 10], ''], ['2 11', '1,10', ''])
    expect(rows).toEqual([
      [0, 1, 0],
      [-1, 0, 0],
      [0, 0, 1],
    ])
  })

  it.each([
    ['1 2 3', /must hold 2 numbers in each row, row 1 has 3/],
    ['1 x', /must hold a list of finite numbers, received "1 x"/],
  ])('vector refuses %s', async (value, message) => {
    await expect(encoded('vector', 'vector', ['[1, 10]'], [value])).rejects.toThrow(message)
  })
})

it('dates: years, and points on the circles of year, week and day', async () => {
  const { rows } = await encoded(
    'date',
    'date',
    ['2020-01-01', '2022-01-01', ''],
    ['2021-01-01', '2021-01-03T12:00:00', ''],
  )
  const [newYear, noon, missing] = rows
  expect(newYear).toHaveLength(8)
  expect(newYear![1]).toBeCloseTo(0, 3)
  expect(newYear![4]).toBeCloseTo(1, 3)
  // Half past the day: the opposite point of its circle.
  expect(noon![3]).toBeCloseTo(0, 3)
  expect(noon![6]).toBeCloseTo(-1, 3)
  expect(missing).toEqual([0, 0, 0, 0, 1, 1, 1, 1])
})

it('an option that a feature does not know is refused', async () => {
  await expect(encoded('piecewise', 'number', [1, 2], [1], { bin: 3 })).rejects.toThrow(
    /no option 'bin'. Did you mean 'bins'/,
  )
})
