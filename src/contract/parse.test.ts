import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { QuernError } from '../core/errors.ts'
import { commonSections, splitSection, trainSection } from './config.ts'
import { fromSection } from './from.ts'
import { parseWith } from './parse.ts'

const schema = z.strictObject({
  ...commonSections,
  layers: z.array(z.strictObject({ units: z.int().positive() })).default([]),
  ports: z.record(z.string(), z.strictObject({ dtype: z.string() })).default({}),
})

/** The message for a value that must be refused. */
function problem(value: unknown, of: z.ZodType = schema): string {
  try {
    parseWith(of, value, 'quern.config.ts')
  } catch (error) {
    expect(error).toBeInstanceOf(QuernError)
    expect((error as QuernError).kind).toBe('config')
    return (error as QuernError).message
  }
  throw new Error('the value was accepted')
}

describe('parseWith', () => {
  it('fills in every default', () => {
    expect(parseWith(schema, {}, 'quern.config.ts')).toEqual({
      seed: 0,
      device: 'cpu',
      layers: [],
      ports: {},
      train: {
        epochs: 5,
        batchSize: 32,
        optimizer: 'adam',
        schedule: 'cosine',
        l1: 0,
        l2: 0,
        labelSmoothing: 0,
        earlyStopping: false,
      },
    })
    expect(parseWith(splitSection, {}, 'x')).toEqual({
      validation: 0.1,
      test: 0.1,
      stratified: true,
      fold: 0,
      repeat: 0,
    })
  })

  it('names an unknown key at any depth, and the nearest known one', () => {
    expect(problem({ sede: 1 })).toBe("quern.config.ts: unknown key 'sede'. Did you mean 'seed'?")
    expect(problem({ train: { epoch: 1 } })).toBe("quern.config.ts: unknown key 'train.epoch'. Did you mean 'epochs'?")
    expect(problem({ train: { earlyStopping: { patience: 1, minDleta: 2 } } })).toBe(
      "quern.config.ts: unknown key 'train.earlyStopping.minDleta'. Did you mean 'minDelta'?",
    )
    expect(problem({ layers: [{ units: 1 }, { units: 1, unit: 2 }] })).toBe(
      "quern.config.ts: unknown key 'layers.1.unit'. Did you mean 'units'?",
    )
    expect(problem({ ports: { x: { dtype: 'a', type: 'b' } } })).toContain(
      "unknown key 'ports.x.type'. Did you mean 'dtype'?",
    )
  })

  it('names the alternatives that a word tells apart, and the keys of the one that is meant', () => {
    const from = z.strictObject({ from: fromSection })
    const adapter = (settings: object) => problem({ from: { model: 'a.onnx', adapter: settings } }, from)
    expect(adapter({ method: 'lor' })).toBe(
      `quern.config.ts: 'from.adapter.method' expected one of "lora"|"ia3", received "lor". Did you mean 'lora'?`,
    )
    expect(adapter({ rank: 2 })).toBe(
      `quern.config.ts: 'from.adapter.method' expected one of "lora"|"ia3", received nothing`,
    )
    expect(adapter({ method: 'ia3', rank: 2 })).toBe(
      "quern.config.ts: unknown key 'from.adapter.rank'. Known here: method, targets, feedForward.",
    )
    expect(adapter({ method: 'lora', rnk: 2 })).toContain("unknown key 'from.adapter.rnk'. Did you mean 'rank'?")
  })

  it('lists the known keys when none is near', () => {
    expect(problem({ layers: [{ units: 1, momentum: 0.9 }] })).toContain(
      "unknown key 'layers.0.momentum'. Known here: units.",
    )
  })

  it('says what was expected and what came', () => {
    expect(problem({ train: { epochs: '5' } })).toMatch(/'train.epochs' expected .*, received "5"$/)
    expect(problem({ train: { epochs: 0 } })).toMatch(/'train.epochs' .*>0, received 0$/)
    expect(problem({ train: { labelSmoothing: 1 } })).toMatch(/'train.labelSmoothing' .*<1, received 1$/)
    expect(problem({ seed: Number.NaN })).toMatch(/'seed' .*, received NaN$/)
    expect(problem({ seed: 5n })).toMatch(/'seed' .*, received 5$/)
    expect(problem({ seed: () => 1 })).toMatch(/'seed' .*, received a function$/)
    expect(problem({ name: 'my app' })).toMatch(/'name' must be letters, digits.*, received "my app"$/)
    expect(problem({ device: 'gpu' })).toMatch(/'device' .*"cuda".*, received "gpu"$/)
    expect(problem({ layers: [{}] })).toMatch(/'layers.0.units' expected .*, received nothing$/)
    expect(problem(undefined)).toMatch(/^quern.config.ts: expected object, received nothing$/)
    expect(problem(null)).toMatch(/received null$/)
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    expect(problem({ seed: cycle })).toMatch(/received a value that is not JSON$/)
    expect(problem({ name: 'x y'.repeat(100) }).length).toBeLessThan(200)
  })

  it('says of a union what its nearest alternative lacks', () => {
    expect(problem({ train: { optimizer: { nam: 'adam' } } })).toContain(
      "'train.optimizer.name' expected string, received nothing",
    )
    expect(problem({ train: { optimizer: 5 } })).toContain("'train.optimizer' expected string or object, received 5")
    expect(problem({ train: { earlyStopping: true } })).toMatch(
      /'train.earlyStopping' expected false or object, received true$/,
    )
    expect(problem({ train: { earlyStopping: { patience: -1 } } })).toMatch(
      /'train.earlyStopping.patience' .*, received -1$/,
    )
  })

  it('reports several problems at once', () => {
    const text = problem({ sede: 1, device: 'gpu', train: { epochs: -1, batch: 3 } })
    expect(text).toMatch(/^quern.config.ts: 4 problems\n {2}- /)
    for (const part of ["'sede'", "'device'", "'train.epochs'", "'train.batch'"]) expect(text).toContain(part)
  })

  it('keeps the options of a named optimizer for its own record to check', () => {
    const optimizer = { name: 'sgd', learningRate: 0.1 }
    expect(parseWith(trainSection, { optimizer }, 'x').optimizer).toEqual(optimizer)
  })

  it('takes the kind of the error from the caller', () => {
    expect(() => parseWith(schema, { seed: -1 }, 'the request', 'input')).toThrow(
      expect.objectContaining({ kind: 'input' }),
    )
  })
})
