/**
 * One check for any layer: shapes with numbers and with a named batch, parameters, learning, training against inference, saving and
 * loading, the same numbers from the exported ONNX file, padding masks, the configuration as JSON, and errors on inputs that do not fit.
 */
import { expect } from 'vitest'
import { exportGraph } from '../src/bundle/export-graph.ts'
import type { DType } from '../src/core/dtype.ts'
import { createRandom } from '../src/core/random.ts'
import { type Shape, type StaticShape, sizeOf } from '../src/core/shape.ts'
import { type Tensor, tensorFromNumbers } from '../src/core/tensor.ts'
import { readSafetensors, writeSafetensors } from '../src/formats/safetensors.ts'
import { shapeOf } from '../src/graph/graph.ts'
import { validate } from '../src/graph/validate.ts'
import { sequential } from '../src/nn/index.ts'
import type { Layer } from '../src/nn/layer.ts'
import { meanSquaredError } from '../src/nn/losses/index.ts'
import { trace } from '../src/nn/trace.ts'
import { table } from '../src/ops/index.ts'
import { sgd } from '../src/optim/index.ts'
import { gradientRules } from '../src/optim/update.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { createTrainingStep, type TrainingStep } from '../src/train/step.ts'
import { checkMaskHandedOn, checkMaskRead } from './check-mask.ts'
import { noise } from './run-layer.ts'

export interface LayerCheck {
  readonly layer: Layer
  /** shapes of one example of each input */
  readonly inputs: readonly StaticShape[]
  readonly dtype?: DType
  /** shape of one example of the output */
  readonly output: StaticShape
  /** by path, in order; states included */
  readonly parameters?: Readonly<Record<string, StaticShape>>
  /** the output of training is another than that of inference */
  readonly trainingDiffers?: boolean
  /** makes the layer again from its config; undefined for models, whose config describes and no more */
  readonly again?: ((config: never) => Layer) | undefined
  /** it leaves padding out, told by the mask of its first input */
  readonly readsMask?: true
  /** inputs (one example) that do not fit, and what the message says */
  readonly refused?: readonly (readonly [inputs: readonly StaticShape[], message: string])[]
}

const backend = createNodeBackend({ threads: 1 })
const batchSize = 6

export async function checkLayer(check: LayerCheck): Promise<void> {
  checkShapes(check)
  checkConfig(check)
  checkRefusals(check)
  checkMaskHandedOn(check.layer, check.inputs, check.dtype ?? 'float32')
  if (check.readsMask) await checkMaskRead(check.layer, check.inputs[0]!, check.output)
  const step = await createStep(check.layer, check)
  try {
    await checkLearning(step, check)
    await checkModes(step, check)
    await checkSaving(step, check)
    await checkExport(step, check)
  } finally {
    await step.release()
  }
}

function traced(layer: Layer, { dtype = 'float32' }: LayerCheck, shapes: readonly Shape[], training: boolean) {
  return trace(
    layer,
    shapes.map((shape, i) => ({ name: `x${i}`, type: { dtype, shape } })),
    { table, training },
  )
}

function checkShapes(check: LayerCheck): void {
  for (const batch of [1, batchSize, 'batch']) {
    for (const training of batch === 'batch' ? [false] : [true, false]) {
      const shapes = check.inputs.map((shape) => [batch, ...shape])
      const { g, output, parameters, draws } = traced(check.layer, check, shapes, training)
      expect(shapeOf(output)).toEqual([batch, ...check.output])
      const found = parameters.map(({ path, spec }) => [path, spec.shape])
      expect(found).toEqual(Object.entries(check.parameters ?? {}))
      if (!training) expect(draws).toEqual([])
      validate(g.builder.finish([g.op('Identity', [output])]))
    }
  }
}

/** What JSON.stringify keeps is the whole configuration, and it makes the same layer again. */
function checkConfig({ layer, again, ...check }: LayerCheck): void {
  const config = JSON.parse(JSON.stringify(layer.config)) as never
  expect(layer.config).toEqual(config)
  if (!again) return
  const made = again(config)
  expect({ ...made }).toMatchObject({ kind: layer.kind, config })
  checkShapes({ layer: made, ...check })
}

/** The message names the layer by path and kind, and the shapes that came. */
function checkRefusals(check: LayerCheck): void {
  for (const [inputs, message] of check.refused ?? []) {
    const shapes = inputs.map((shape) => ['batch', ...shape])
    const received = shapes.map((shape) => `${check.dtype ?? 'float32'} [${shape.join(', ')}]`).join(', ')
    const { kind } = check.layer
    const at = (who: string) => `layer ${who} on ${received}: `
    expect(messageFrom(() => traced(check.layer, check, shapes, false))).toContain(at(kind))
    expect(messageFrom(() => traced(check.layer, check, shapes, false))).toContain(message)
    if (shapes.length !== 1) continue
    const nested = sequential([sequential([check.layer], { name: 'block' })])
    const name = (check.layer.config.name as string | undefined) ?? kind
    const text = messageFrom(() => traced(nested, check, shapes, false))
    expect(text).toContain(at(`'block/${name}' (${kind})`))
  }
}

export function messageFrom(body: () => unknown): string {
  try {
    body()
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('expected an error')
}

async function createStep(layer: Layer, check: LayerCheck): Promise<TrainingStep> {
  const { inputs, dtype = 'float32', output } = check
  const step = await createTrainingStep({
    network: {
      model: layer,
      loss: meanSquaredError(),
      inputs: inputs.map((shape, i) => ({ name: `x${i}`, dtype, shape })),
      target: { name: 'target', dtype: 'float32', shape: output },
      table,
    },
    optimizer: sgd(),
    backend,
    random: createRandom(3),
    batchSize,
    evaluationBatchSize: batchSize,
    rules: gradientRules(),
  })
  inputs.forEach((shape, i) => {
    const numbers = noise(i, [batchSize, ...shape], dtype === 'float32' ? 2 : 1).data
    const values = dtype === 'float32' ? numbers : numbers.map((v) => Math.floor(Math.abs(v) * 5))
    const made = tensorFromNumbers(dtype, [batchSize, ...shape], values)
    ;(step.batch[`x${i}`]!.data as Float32Array).set(made.data as Float32Array)
  })
  ;(step.batch.target!.data as Float32Array).set(noise(9, [batchSize, ...output]).data)
  return step
}

/** On the same batch, the loss falls from one step to the next, and so it does for a smaller last batch. */
async function checkLearning(step: TrainingStep, { parameters }: LayerCheck): Promise<void> {
  const first = await step.run(batchSize, 1, 0.01)
  const second = await step.run(batchSize, 2, 0.01)
  expect(Number.isFinite(second.loss)).toBe(true)
  if (parameters) expect(second.loss).toBeLessThan(first.loss)
  else expect(step.trainableCount).toBe(0)
  const small = await step.run(2, 3, 0.01)
  const smaller = await step.run(2, 4, 0.01)
  if (parameters) expect(smaller.loss).toBeLessThan(small.loss)
}

async function checkModes(step: TrainingStep, { trainingDiffers = false }: LayerCheck): Promise<void> {
  await step.run(batchSize, 5, 0)
  const training = step.predictions(batchSize).data.slice()
  await step.evaluate(batchSize)
  const inference = step.predictions(batchSize).data.slice()
  const differs = training.some((v, i) => Math.abs(v - inference[i]!) > 1e-5 * (1 + Math.abs(v)))
  expect(differs).toBe(trainingDiffers)
  await step.evaluate(batchSize)
  expect(step.predictions(batchSize).data).toEqual(inference)
}

/** Parameters go through bytes and give the same bits again. */
async function checkSaving(step: TrainingStep, { layer, ...check }: LayerCheck): Promise<void> {
  const loss = await step.evaluate(batchSize)
  const expected = step.predictions(batchSize).data.slice()
  const bytes = writeSafetensors({ tensors: step.parameters, metadata: {} })
  const fresh = await createStep(layer, { layer, ...check })
  try {
    const { tensors } = readSafetensors(bytes)
    expect([...tensors.keys()].sort()).toEqual(Object.keys(check.parameters ?? {}).sort())
    for (const [path, { data }] of tensors)
      (fresh.parameters.get(path) as Tensor<Float32Array>).data.set(data as Float32Array)
    expect(await fresh.evaluate(batchSize)).toBe(loss)
    expect(fresh.predictions(batchSize).data).toEqual(expected)
    expect(expected.length).toBe(batchSize * sizeOf(check.output))
  } finally {
    await fresh.release()
  }
}

/** The exported file gives what the training graph gives, for another size of batch too. */
async function checkExport(
  step: TrainingStep,
  { layer, inputs, dtype = 'float32', output }: LayerCheck,
): Promise<void> {
  await step.evaluate(batchSize)
  const expected = step.predictions(batchSize).data as Float32Array
  const bytes = exportGraph({
    model: layer,
    inputs: inputs.map((shape, i) => ({ name: `x${i}`, dtype, shape })),
    output: 'result',
    parameters: step.parameters,
    table,
    name: layer.kind,
  })
  const session = await backend.createSession(bytes)
  try {
    for (const batch of [batchSize, 2]) {
      const feeds = inputs.map((shape, i): [string, Tensor] => {
        const data = step.batch[`x${i}`]!.data as Float32Array
        return [`x${i}`, { dtype, shape: [batch, ...shape], data: data.slice(0, batch * sizeOf(shape)) } as Tensor]
      })
      const { result } = await session.run(Object.fromEntries(feeds))
      expect(result!.shape).toEqual([batch, ...output])
      const error = (result!.data as Float32Array).reduce(
        (most, v, i) => Math.max(most, Math.abs(v - expected[i]!) / (1 + Math.abs(v))),
        0,
      )
      expect(error, 'the exported file gives other numbers').toBeLessThan(1e-5)
    }
  } finally {
    await session.release()
  }
}
