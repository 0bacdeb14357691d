/** A Wasserstein GAN with gradient penalty on four clusters in the plane: second derivatives, n_critic, coverage of the modes. */
import { expect, test } from 'vitest'
import type { TrainEvent } from '../contract/events.ts'
import { createRandom } from '../core/random.ts'
import { float32 } from '../core/tensor.ts'
import type { Value } from '../graph/graph.ts'
import * as nn from '../nn/index.ts'
import { adversarialLosses, gradientPenalty } from '../nn/losses/adversarial.ts'
import { createNodeBackend } from '../runtime/onnxruntime-node.ts'
import { memoryCheckpoints } from '../train/checkpoint.ts'
import type { ObjectiveContext } from '../train/network.ts'
import { type FitObjectivesOptions, type FittedModels, fitObjectives } from './fit-objectives.ts'

const centres = [
  [2, 0],
  [0, 2],
  [-2, 0],
  [0, -2],
] as const
const examples = 2048
const random = createRandom(3)
const points = float32(
  [examples, 2],
  Float32Array.from({ length: 2 * examples }, (_, i) => centres[(i >> 1) % 4]![i % 2]! + 0.1 * random.normal()),
)

const mlp = (units: number) =>
  nn.sequential([
    nn.dense({ units: 64, activation: 'leakyRelu' }),
    nn.dense({ units: 64, activation: 'leakyRelu' }),
    nn.dense({ units }),
  ])
const models = { generator: mlp(2), critic: mlp(1) }

const fake = (c: ObjectiveContext) => c.apply('generator', c.random('noise', [c.batch, 4]))
const { critic: criticLoss, generator: generatorLoss } = adversarialLosses.wasserstein
const objectives: FitObjectivesOptions['objectives'] = {
  critic: {
    parameters: 'critic',
    loss: (c) => {
      const [real, made] = [c.column('point'), fake(c)]
      const critic = (x: Value) => c.apply('critic', x)
      const epsilon = c.random('epsilon', [c.batch, 1], 'uniform')
      const penalty = gradientPenalty(c.g, critic, { real, fake: made, epsilon, weight: 0.3 })
      c.report('penalty', penalty)
      return c.g.add(criticLoss(c.g, critic(real), critic(made)), penalty)
    },
  },
  generator: { parameters: 'generator', every: 2, loss: (c) => generatorLoss(c.g, c.apply('critic', fake(c))) },
}
const options: FitObjectivesOptions = {
  columns: { point: points },
  objectives,
  optimizer: { name: 'adam', learningRate: 2e-3, beta1: 0.3, beta2: 0.9 },
  batchSize: 128,
  seed: 1,
  threads: 1,
}

async function run(
  given: Partial<FitObjectivesOptions>,
  onEvent: (event: TrainEvent) => void = () => {},
): Promise<FittedModels> {
  const training = fitObjectives(models, { ...options, ...given })
  for (;;) {
    const { done, value } = await training.next()
    if (done) return value
    onEvent(value)
  }
}

/** Shares of 1000 samples that lie within 0.5 of each centre. */
async function coverage(fitted: FittedModels): Promise<number[]> {
  const [count, noise] = [1000, createRandom(9)]
  const session = await createNodeBackend().createSession(fitted.onnx('generator'))
  const x = float32(
    [count, 4],
    Float32Array.from({ length: 4 * count }, () => noise.normal()),
  )
  const { y } = await session.run({ x })
  await session.release()
  const found = y!.data as Float32Array
  return centres.map(([a, b]) => {
    let near = 0
    for (let i = 0; i < count; i++) if (Math.hypot(found[2 * i]! - a, found[2 * i + 1]! - b) < 0.5) near++
    return near / count
  })
}

test('a WGAN-GP covers all four modes, which an untrained generator does not', { timeout: 180_000 }, async () => {
  const least = async (fitted: FittedModels) => Math.min(...(await coverage(fitted)))
  expect(await least(await run({ epochs: 1 }))).toBeLessThan(0.05)
  const fitted = await run({ epochs: 60 })
  expect(await least(fitted)).toBeGreaterThan(0.1)
  expect((await coverage(fitted)).reduce((sum, share) => sum + share, 0)).toBeGreaterThan(0.6)
})

test('events name the losses; a run that was interrupted ends with the same models', async () => {
  const names = new Set<string>()
  const whole = await run({ epochs: 2 }, (event) => {
    if (event.type === 'step') for (const name of Object.keys(event.losses!)) names.add(name)
    // In one order, though the generator takes part in every second step alone.
    if (event.type === 'epoch') expect(Object.keys(event.train)).toEqual(['loss', 'critic', 'generator', 'penalty'])
  })
  expect([...names].sort()).toEqual(['critic', 'generator', 'penalty'])
  const [checkpoints, controller] = [memoryCheckpoints(), new AbortController()]
  await run({ epochs: 2, checkpoints, signal: controller.signal }, (event) => {
    if (event.type === 'step' && event.step === 17) controller.abort()
  })
  const again = await run({ epochs: 2, checkpoints, resume: true })
  expect(again.parameters).toEqual(whole.parameters)
  expect(again.onnx('critic')).toEqual(whole.onnx('critic'))
  expect(() => again.onnx('critics')).toThrow("there is no model 'critics'. Did you mean 'critic'?")
  await expect(run({ epoch: 2 } as object)).rejects.toThrow(
    "fitObjectives has no option 'epoch'. Did you mean 'epochs'?",
  )
  const changed = run({ epochs: 2, checkpoints, resume: true, order: 'alternating' })
  await expect(changed).rejects.toThrow('the configuration or the data changed')
})

test('a teacher is distilled: it stays as it is, and the student comes to answer as it does', async () => {
  const columns = { x: points }
  const teacher = nn.sequential([nn.dense({ units: 8, activation: 'tanh' }), nn.dense({ units: 1 })])
  const student = nn.sequential([nn.dense({ units: 16, activation: 'tanh' }), nn.dense({ units: 1 })])
  const losses: number[] = []
  const training = fitObjectives(
    { teacher, student },
    {
      columns,
      objectives: {
        agree: {
          parameters: 'student',
          loss: (c) => {
            const said = c.apply('teacher', c.column('x'), { training: false })
            return nn.meanSquaredError().apply(c.g, c.apply('student', c.column('x')), said)
          },
        },
      },
      optimizer: { name: 'adam', learningRate: 0.01 },
      epochs: 5,
    },
  )
  for await (const event of training) if (event.type === 'epoch') losses.push(event.train.loss!)
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 10)
})
