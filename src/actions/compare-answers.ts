/** Two answers to the same question: the safeguard of imports and exports. */
import { QuernError } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'
import type { StaticShape } from '../core/shape.ts'
import { numbersOf, type Tensor, tensorFromNumbers } from '../core/tensor.ts'
import { initialParameters, type Layer, trace } from '../nn/index.ts'
import { inOrder, inputNames } from '../nn/port-order.ts'
import { writeModel } from '../onnx/write.ts'
import type { OpTable } from '../ops/op.ts'
import { optimizeInference } from '../passes/index.ts'
import { weightsAsInputs } from '../passes/weights-as-inputs.ts'
import type { Backend } from '../runtime/backend.ts'
import type { ModelFile } from './base-model.ts'

/** Largest difference that is taken for rounding, as a share of the largest magnitude of an output. */
export const answerTolerance = 1e-4

/**
 * What a layer answers in inference mode, its outputs in their order.
 *
 * @param parameters by path; those that are not there have their initial values
 */
export async function answersOf(
  model: Layer,
  inputs: Readonly<Record<string, Tensor>>,
  of: { backend: Backend; table: OpTable; parameters?: ReadonlyMap<string, Tensor> },
): Promise<readonly Tensor[]> {
  const { backend, table, parameters } = of
  const typed = inOrder(inputNames(model), inputs).map(([name, { dtype, shape }]) => ({ name, type: { dtype, shape } }))
  const traced = trace(model, typed, { table, training: false, name: 'answers' })
  const { g } = traced
  // A copy behind each: an output may be an input itself.
  const outputs = [...(traced.outputs?.values() ?? [traced.output])].map((value) => g.op('Identity', [value]))
  const graph = optimizeInference(g.builder.finish(outputs))
  const initial = initialParameters(traced.parameters, createRandom(0))
  const feeds = traced.parameters.map(({ path }) => [path, parameters?.get(path) ?? initial.get(path)!] as const)
  // Read where they are: the runtime would copy a large model's constants.
  const opened = weightsAsInputs(graph, undefined, ['Conv', 'ConvTranspose'])
  const session = await backend.createSession(writeModel(opened.graph).model, { packWeights: false })
  try {
    const results = await session.run({
      ...inputs,
      ...Object.fromEntries(feeds),
      ...Object.fromEntries(opened.weights),
    })
    return graph.outputs.map(({ name }) => results[name]!)
  } finally {
    await session.release()
  }
}

/** What an ONNX file answers, its outputs in their order. */
export async function answersOfFile(
  file: Uint8Array | ModelFile,
  inputs: Readonly<Record<string, Tensor>>,
  backend: Backend,
): Promise<readonly Tensor[]> {
  const { model, ...external } = file instanceof Uint8Array ? { model: file } : file
  const session = await backend.createSession(model, { ...external, packWeights: false })
  try {
    const results = await session.run(inputs)
    return session.outputs.map(({ name }) => results[name]!)
  } finally {
    await session.release()
  }
}

/** Made-up inputs of a file, and what it answers to them, its outputs in their order. */
export interface Probed {
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly outputs: readonly Tensor[]
}

/** What an ONNX file answers to inputs that its own types ask for; undefined where it takes other values than tensors, or does not run. */
export async function probe({ model, ...external }: ModelFile, backend: Backend): Promise<Probed | undefined> {
  try {
    const session = await backend.createSession(model, { ...external, packWeights: false })
    try {
      const inputs = Object.fromEntries(
        session.inputs.map(({ name, dtype, shape }) => [name, probeInput({ dtype: dtype!, shape: shape ?? [] })]),
      )
      const results = await session.run(inputs)
      return { inputs, outputs: session.outputs.map(({ name }) => results[name]!) }
    } finally {
      await session.release()
    }
  } catch {
    // Why it does not run shows when it is compared, on examples.
    return undefined
  }
}

/**
 * The largest difference of two lists of answers, as a share of the largest magnitude of its output.
 *
 * @throws QuernError 'numeric' when it is above `answerTolerance` or a shape differs
 * @param what begins the message: 'the imported model', 'the untouched file'
 * @param hint what a user can do about a difference
 */
export function compareAnswers(
  given: readonly Tensor[],
  expected: readonly Tensor[],
  what: readonly [given: string, expected: string],
  hint?: string,
): number {
  let largest = 0
  for (const [i, right] of expected.entries()) {
    const left = given[i]
    if (!left || left.shape.join() !== right.shape.join()) {
      throw new QuernError(
        'numeric',
        `output ${i} of ${what[0]} has shape [${left?.shape}], that of ${what[1]} [${right.shape}]`,
      )
    }
    if (right.dtype === 'string' || right.dtype === 'bool') continue
    const [a, b] = [numbersOf(left), numbersOf(right)]
    const scale = b.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6)
    for (const [j, x] of b.entries()) {
      const difference = Math.abs(a[j]! - x) / scale
      if (!(difference <= largest)) largest = Number.isFinite(difference) ? difference : Infinity
    }
  }
  if (largest <= answerTolerance) return largest
  throw new QuernError(
    'numeric',
    `${what[0]} does not answer as ${what[1]}: they differ by ${largest.toPrecision(3)} of the largest output, at most ${answerTolerance} is rounding`,
    { hint },
  )
}

/** Examples for a comparison where there are none: waves for real numbers, zeros and ones for whole ones. Open sizes are 1. */
export function probeInput({
  dtype,
  shape,
}: Pick<Tensor, 'dtype'> & { readonly shape: readonly (number | string)[] }): Tensor {
  const sizes: StaticShape = shape.map((dim) => (typeof dim === 'number' ? dim : 1))
  const count = sizes.reduce((product, size) => product * size, 1)
  const isWhole = /int|bool/.test(dtype)
  const values = Array.from({ length: count }, (_, i) => (isWhole ? i % 2 : Math.sin(i * 0.37)))
  return tensorFromNumbers(dtype, sizes, values)
}
