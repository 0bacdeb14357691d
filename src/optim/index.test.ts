import { expect, test } from 'vitest'
import { QuernError } from '../core/errors.ts'
import { createOptimizer, createSchedule, optimizers, schedules } from './index.ts'

test('every optimizer is made by name with its defaults and comes back from its config', () => {
  for (const name of Object.keys(optimizers)) {
    const optimizer = createOptimizer(name)
    expect(optimizer.name).toBe(name)
    expect(createOptimizer(JSON.parse(JSON.stringify(optimizer.config))).config).toEqual(optimizer.config)
  }
  expect(createOptimizer('adam').config).toEqual({
    name: 'adam',
    learningRate: 0.001,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-7,
  })
  expect(createOptimizer('adamw').config.weightDecay).toBe(0.004)
  expect(createOptimizer({ name: 'sgd', momentum: 0.9 }).slots).toEqual(['velocity'])
  expect(createOptimizer('sgd').slots).toEqual([])
  expect(createOptimizer('rmsprop').slots).toEqual(['meanSquare'])
  expect(createOptimizer({ name: 'rmsprop', centered: true, momentum: 0.9 }).slots).toEqual([
    'meanSquare',
    'meanGradient',
    'velocity',
  ])
  expect(createOptimizer('lion').slots).toEqual(['momentum'])
})

test('every schedule comes back from its config, wrapped or not', () => {
  const options: Record<string, object> = { step: { decaySteps: 5 }, exponential: { decaySteps: 5, decayRate: 0.9 } }
  for (const name of Object.keys(schedules)) {
    const config = { name, ...options[name] }
    for (const given of [config, { name: 'warmup', steps: 3, schedule: config }]) {
      const schedule = createSchedule(given, { learningRate: 0.5 })
      const again = createSchedule(JSON.parse(JSON.stringify(schedule.config)))
      expect(again.config).toEqual(schedule.config)
      expect([0, 4, 9].map((i) => again.at(i, 10))).toEqual([0, 4, 9].map((i) => schedule.at(i, 10)))
    }
  }
  expect(createSchedule('constant', createOptimizer('adam').config).at(0, 1)).toBe(0.001)
  expect(createSchedule({ name: 'constant', learningRate: 2 }, { learningRate: 1 }).at(0, 1)).toBe(2)
  expect(createSchedule({ name: 'warmup', steps: 2 }, { learningRate: 1 }).at(2, 10)).toBe(1)
})

test.each([
  [() => createOptimizer('adma'), 'unknown optimizer "adma". Did you mean \'adam\'?'],
  [() => createOptimizer('toString'), 'unknown optimizer "toString". Known: sgd, adam, adamw'],
  [
    () => createOptimizer({ name: 'adam', learning_rate: 1 }),
    "adam has no option 'learning_rate'. Did you mean 'learningRate'?",
  ],
  [() => createOptimizer({ name: 'adam', weightDecay: 1 }), "adam has no option 'weightDecay'"],
  [
    () => createOptimizer({ name: 'adam', learningRate: -1 }),
    "option 'learningRate' of adam must be a number >= 0, received -1",
  ],
  [
    () => createOptimizer({ name: 'adam', beta1: 1 }),
    "option 'beta1' of adam must be a number >= 0 and < 1, received 1",
  ],
  [() => createOptimizer({ name: 'adam', beta2: '0.9' }), 'must be a number >= 0 and < 1, received "0.9"'],
  [
    () => createOptimizer({ name: 'adam', epsilon: 0 }),
    "option 'epsilon' of adam must be a number >= 1e-30, received 0",
  ],
  [
    () => createOptimizer({ name: 'rmsprop', rho: 1 }),
    "option 'rho' of rmsprop must be a number >= 0 and < 1, received 1",
  ],
  [
    () => createOptimizer({ name: 'rmsprop', centred: true }),
    "rmsprop has no option 'centred'. Did you mean 'centered'?",
  ],
  [() => createOptimizer({ name: 'adagrad', initialAccumulatorValue: -1 }), 'must be a number >= 0, received -1'],
  [() => createOptimizer({ name: 'adadelta', momentum: 0.9 }), "adadelta has no option 'momentum'"],
  [() => createOptimizer({ name: 'lion', epsilon: 1e-7 }), "lion has no option 'epsilon'"],
  [
    () => createOptimizer({ name: 'lamb', epsilon: 0 }),
    "option 'epsilon' of lamb must be a number >= 1e-30, received 0",
  ],
  [() => createOptimizer('nadma'), "Did you mean 'nadam'?"],
  [() => createOptimizer({ name: 'radam', beta2: 1 }), "option 'beta2' of radam"],
  [() => createOptimizer({ name: 'adamw', weightDecay: Number.NaN }), "option 'weightDecay' of adamw"],
  [() => createOptimizer({ name: 'sgd', nesterov: 1 }), "option 'nesterov' of sgd must be true or false, received 1"],
  [() => createOptimizer({ name: 'sgd', nesterov: true }), "needs 'momentum' above 0"],
  [() => createSchedule('cosin', { learningRate: 1 }), 'unknown schedule "cosin". Did you mean \'cosine\'?'],
  [() => createSchedule('cosine'), "cosine needs the option 'learningRate': a number >= 0"],
  [() => createSchedule('step', { learningRate: 1 }), "step needs the option 'decaySteps'"],
  [
    () => createSchedule({ name: 'step', decaySteps: 0 }, { learningRate: 1 }),
    'a number of updates above 1, or a share',
  ],
  [() => createSchedule({ name: 'warmup', step: 3 }, { learningRate: 1 }), "Did you mean 'steps'?"],
  [() => createSchedule({ name: 'warmup' }, { learningRate: 1 }), "warmup needs the option 'steps'"],
  [() => createSchedule({ name: 'warmup', steps: 3, schedule: 4 }, { learningRate: 1 }), 'must name one, received 4'],
  [
    () => createSchedule({ name: 'reduceOnPlateau', mode: 'best' }, { learningRate: 1 }),
    "must be 'min' or 'max', received \"best\"",
  ],
  [
    () => createSchedule({ name: 'reduceOnPlateau', patience: 1.5 }, { learningRate: 1 }),
    'must be a whole number >= 1, received 1.5',
  ],
  [() => createSchedule('constant', { learningRate: 1 }).at(-1, 10), 'received step -1 of 10'],
])('a bad configuration is named: %#', (create, message) => {
  expect(create).toThrow(QuernError)
  expect(create).toThrow(message)
})

test.each(['lbfgs', 'LBFGS', 'L-BFGS-B'])('%s is refused with the reason, and what to take', (name) => {
  let error: unknown
  try {
    createOptimizer({ name, historySize: 10 })
  } catch (caught) {
    error = caught
  }
  expect(error).toBeInstanceOf(QuernError)
  expect(error).toMatchObject({ kind: 'unsupported', hint: expect.stringContaining('batchSize set to all examples') })
  expect((error as QuernError).message).toContain(`optimizer '${name}' needs the loss of the whole training set`)
})
