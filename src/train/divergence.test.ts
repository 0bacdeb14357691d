/** Losses, gradients and parameters that are not finite: named, and never kept. */
import { describe, expect, test } from 'vitest'
import { line, linear, prepare, regression, type Setup } from '../../test/run-training.ts'
import type { TrainEvent } from '../contract/events.ts'
import { float32 } from '../core/tensor.ts'
import { createDataset } from '../data/dataset.ts'
import * as nn from '../nn/index.ts'
import { type CheckpointStore, decodeCheckpoint } from './checkpoint.ts'
import { runLoop } from './loop.ts'

/** Runs until it fails; what was written to the checkpoints before and after is compared. */
async function failing(
  setup: Setup,
  poison?: (step: Awaited<ReturnType<typeof prepare>>['step'], event: TrainEvent) => void,
) {
  const written: { kind: string; bytes: Uint8Array; after: number }[] = []
  let steps = 0
  const checkpoints: CheckpointStore = {
    write: async (kind, bytes) => void written.push({ kind, bytes, after: steps }),
    read: async (kind) => written.findLast((one) => one.kind === kind)?.bytes,
  }
  const { step, options } = await prepare({ ...setup, loop: { ...setup.loop, checkpoints } })
  let message = ''
  try {
    for await (const event of runLoop(options)) {
      if (event.type === 'step') steps = event.step
      poison?.(step, event)
    }
  } catch (error) {
    expect(error).toMatchObject({ kind: 'numeric' })
    message = (error as Error).message
  }
  for (const { bytes } of written) {
    for (const [name, { data }] of decodeCheckpoint(bytes, 'checkpoint').tensors) {
      expect((data as Float32Array).every(Number.isFinite), name).toBe(true)
    }
  }
  await step.release()
  return { message, steps, written }
}

describe('divergence', () => {
  test('a poisoned weight is named with the step, and no checkpoint follows', async () => {
    const { message, steps, written } = await failing({ loop: { epochs: 2 } }, (step, event) => {
      if (event.type === 'step' && event.step === 7)
        (step.parameters.get('dense/kernel')!.data as Float32Array)[5] = Number.NaN
    })
    expect(message).toBe(
      "the loss became NaN at step 8: parameter 'dense/kernel' already holds values that are not finite",
    )
    expect(steps).toBe(7)
    expect(written.map(({ kind, after }) => `${kind} ${after}`)).toEqual(['best 5', 'last 5'])
  })

  test('a poisoned weight after the last step of an epoch is not kept', async () => {
    for (const path of ['dense/kernel', 'batchNormalization/movingVariance']) {
      const { message, written } = await failing({ loop: { epochs: 2 } }, (step, event) => {
        if (event.type === 'step' && event.step === 10) (step.parameters.get(path)!.data as Float32Array)[0] = Infinity
      })
      expect(message).toBe(`parameter '${path}' is not finite after step 10`)
      expect(written.map(({ after }) => after)).toEqual([5, 5])
    }
  })

  test('nor when the run is interrupted or left just then', async () => {
    const controller = new AbortController()
    const { message, written } = await failing({ loop: { signal: controller.signal } }, (step, event) => {
      if (event.type !== 'step' || event.step !== 2) return
      ;(step.parameters.get('dense/bias')!.data as Float32Array)[0] = Number.NaN
      controller.abort()
    })
    expect(message).toBe("parameter 'dense/bias' is not finite after step 2")
    expect(written).toEqual([])
  })

  test('a huge learning rate', async () => {
    const { message } = await failing({
      ...linear,
      optimizer: { name: 'sgd', learningRate: 1e20 },
      loop: { ...regression, epochs: 20 },
    })
    expect(message).toMatch(/^the loss became (NaN|Infinity) at step \d+: .*'dense\/(kernel|bias)'/)
  })

  test('a gradient that is not finite is found by clipping before it reaches the parameters', async () => {
    const zeros = createDataset({ columns: { x: float32([2, 1], [0, 0]), label: float32([2, 1], [0, 0]) } })
    // The root of the mean squared error has no slope at 0.
    const apply: nn.Loss['apply'] = (g, p, t) => g.sqrt(nn.meanSquaredError().apply(g, p, t))
    const root: nn.Loss = { name: 'root', config: {}, apply }
    const { message } = await failing({ ...linear, loss: root, train: zeros, rules: { clipNorm: 1 }, loop: regression })
    expect(message).toBe(
      "the gradient is not finite at step 1: the first gradient that is not finite belongs to parameter 'dense/kernel'",
    )
  })

  test('NaN in the data is named with column and example', async () => {
    const x = float32([12, 1], line.columns.x!.data as Float32Array).data.slice()
    x[9] = Number.NaN
    const bad = createDataset({ columns: { ...line.columns, x: float32([12, 1], x) } })
    const { message } = await failing({ ...linear, train: bad, loop: regression })
    expect(message).toMatch(
      /^the loss became NaN at step [123]: column 'x' of the data holds NaN in example [0-3] of the batch$/,
    )
  })

  test('NaN in the validation data ends the run: it would never improve again', async () => {
    const columns = { x: float32([2, 1], [0, Number.NaN]), label: float32([2, 1], [0, 0]) }
    const { message, written } = await failing({
      ...linear,
      loop: { ...regression, validation: createDataset({ columns }) },
    })
    expect(message).toBe('the validation loss became NaN at the end of epoch 1 (step 3)')
    expect(written).toEqual([])
  })
})
