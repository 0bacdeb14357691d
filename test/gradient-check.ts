/**
 * Checks one sample of one operator record against the runtime:
 * - the inferred types of the outputs are those that the runtime returns;
 * - the gradient rule agrees with a central finite difference in a random direction, and so does the gradient of the
 *   gradient for smooth operators.
 *
 * The loss is sum_i w_i y_i over all differentiable outputs with fixed random weights w. With a direction d of random signs,
 * (L(x + h d) - L(x - h d)) / 2h must equal sum grad * d. float64 is used where the runtime has the kernel, otherwise float32.
 */

import { backward } from '../src/autodiff/backward.ts'
import { type DType, isFloat } from '../src/core/dtype.ts'
import { createRandom, type Random } from '../src/core/random.ts'
import { sizeOf } from '../src/core/shape.ts'
import { numbersOf, type Tensor, tensorFromNumbers } from '../src/core/tensor.ts'
import { GraphBuilder } from '../src/graph/builder.ts'
import { dtypeOf, type Graph, shapeOf, type Value } from '../src/graph/graph.ts'
import { validate } from '../src/graph/validate.ts'
import { writeModel } from '../src/onnx/write.ts'
import { Emitter } from '../src/ops/emitter.ts'
import { table } from '../src/ops/index.ts'
import type { Op, Sample, SampleInput } from '../src/ops/op.ts'
import { opsetOf } from '../src/ops/opset-of.ts'
import type { Backend } from '../src/runtime/backend.ts'

export interface Check {
  /** 'float64', or 'float32' where the runtime lacks the float64 kernel */
  readonly dtype: DType
  /** values that must be equal within `tolerance` (relative to their size) */
  readonly pairs: readonly { what: string; expected: number; received: number; tolerance: number }[]
}

const float64: Precision = { dtype: 'float64', step: 1e-5, tolerance: 1e-6, stepSecond: 1e-4, toleranceSecond: 1e-5 }
const float32: Precision = { dtype: 'float32', step: 1e-2, tolerance: 1e-2, stepSecond: 1e-2, toleranceSecond: 3e-2 }

interface Precision {
  readonly dtype: 'float32' | 'float64'
  readonly step: number
  readonly tolerance: number
  readonly stepSecond: number
  readonly toleranceSecond: number
}

/** Draws the elements of an input. Elements too near to a kink are moved away from it. */
export function drawInput(input: SampleInput, dtype: DType, random: Random): Tensor {
  const { from = -2, to = 2, away, values } = input
  const type = input.dtype ?? dtype
  const elements =
    values ??
    Array.from({ length: sizeOf(input.shape) }, () => {
      const raw = from + (to - from) * random.uniform()
      const v = isFloat(type) ? raw : Math.floor(raw)
      const near = away?.from.find((point) => Math.abs(v - point) < away.by)
      return near === undefined || !away ? v : near + (v < near ? -away.by : away.by)
    })
  if (type === 'string') return { dtype: type, shape: input.shape, data: elements.map(String) }
  return tensorFromNumbers(type, input.shape, elements)
}

/** Runs all checks of a sample; throws what inference, the rule or the runtime throws. */
export async function checkSample(op: Op, sample: Sample, backend: Backend): Promise<Check> {
  const widest = new Set(sample.inputs.flatMap((input) => input?.dtype ?? []))
  if (widest.has('float32')) return runCheck(op, sample, backend, float32)
  try {
    return await runCheck(op, sample, backend, float64)
  } catch (error) {
    if (!/NOT_IMPLEMENTED|Could not find an implementation|INVALID_GRAPH|Type Error|Type parameter/.test(String(error)))
      throw error
    return runCheck(op, sample, backend, float32)
  }
}

interface Call {
  readonly g: Emitter
  /** graph inputs with their elements; constants of the sample are not among them */
  readonly fed: readonly { value: Value; tensor: Tensor }[]
  readonly outputs: readonly Value[]
}

function call(op: Op, sample: Sample, precision: Precision): Call {
  const random = createRandom(7)
    .fork(op.name)
    .fork(sample.title ?? '')
  const g = new Emitter(table, new GraphBuilder(op.name))
  const fed: { value: Value; tensor: Tensor }[] = []
  const given = sample.inputs.map((input, i) => {
    if (!input) return undefined
    const drawn = drawInput(input, precision.dtype, random.fork(i))
    if (input.constant) return g.constant(drawn)
    const value = g.builder.input(`input${i}`, drawn)
    fed.push({ value, tensor: drawn })
    return value
  })
  const captured = (sample.captured ?? []).map((input, i) => {
    const drawn = drawInput(input, precision.dtype, random.fork(`captured ${i}`))
    const value = g.builder.input(`captured${i}`, drawn)
    fed.push({ value, tensor: drawn })
    return value
  })
  const inputs = sample.before?.(g, given) ?? given
  const attributes = { ...sample.attributes, ...sample.graphs?.(g, captured, inputs) }
  const results = g.ops(op.name, inputs, attributes, sample.outputs ?? 1, op.domain ?? '')
  const outputs = sample.read?.(g, results) ?? results
  return { g, fed, outputs }
}

async function runCheck(op: Op, sample: Sample, backend: Backend, precision: Precision): Promise<Check> {
  const { g, fed, outputs } = call(op, sample, precision)
  const feeds = Object.fromEntries(fed.map(({ value, tensor }) => [value.name, tensor]))
  const forward = await evaluate(g, outputs, feeds, backend)
  const pairs = forward.flatMap((tensor, i) => {
    const { dtype, shape } = outputs[i]!.type!
    const said = `${dtype}[${shape}]`
    const came = `${tensor.dtype}[${tensor.shape}]`
    if (!fits(said, came))
      throw new Error(`${op.name}: output ${i} was inferred as ${said}, the runtime returned ${came}`)
    return []
  }) as Check['pairs'][number][]
  if (typeof op.grad !== 'function') return { dtype: precision.dtype, pairs }

  const chosen = sample.differentiate ?? outputs.map((_, i) => i).filter((i) => isFloat(dtypeOf(outputs[i]!)))
  const variables = fed.filter(({ value }) => isFloat(dtypeOf(value)) && value.type)
  if (chosen.length === 0 || variables.length === 0) return { dtype: precision.dtype, pairs }

  const loss = weightedSum(
    g,
    chosen.map((i) => outputs[i]!),
    sample.gradients ? undefined : 'first',
  )
  const gradients = backward(
    g,
    loss,
    variables.map(({ value }) => value),
  )
  if (sample.gradients) {
    const received = await evaluate(g, gradients, feeds, backend)
    sample.gradients.forEach((expected, i) => {
      expected?.forEach((e, j) => {
        pairs.push({
          what: `gradient ${i}[${j}]`,
          expected: e,
          received: numbersOf(received[i]!)[j]!,
          tolerance: precision.tolerance,
        })
      })
    })
    return { dtype: precision.dtype, pairs }
  }
  const directions = variables.map(({ value }, i) => signs(createRandom(11).fork(i), shapeOf(value) as number[]))
  pairs.push(await compare('first order', g, loss, gradients, precision.step, precision.tolerance))
  if (op.smooth) {
    const again = weightedSum(g, gradients, 'second')
    const second = backward(
      g,
      again,
      variables.map(({ value }) => value),
    )
    pairs.push(await compare('second order', g, again, second, precision.stepSecond, precision.toleranceSecond))
  }
  return { dtype: precision.dtype, pairs }

  async function compare(
    what: string,
    on: Emitter,
    scalar: Value,
    grads: readonly Value[],
    step: number,
    tolerance: number,
  ) {
    const analytic = await evaluate(on, grads, feeds, backend)
    const received = analytic.reduce((sum, t, i) => sum + dot(numbersOf(t), directions[i]!), 0)
    const graph = on.builder.finish([scalar])
    const session = await backend.createSession(writeModel(graph, { opsets: { '': opsetOf(graph, table) } }).model)
    const at = async (h: number) => {
      const moved = variables.map(({ value, tensor }, i) => {
        const elements = numbersOf(tensor).map((v, j) => v + h * directions[i]![j]!)
        return [value.name, tensorFromNumbers(tensor.dtype, tensor.shape, elements)]
      })
      const results = await session.run({ ...used(graph, feeds), ...Object.fromEntries(moved) })
      return numbersOf(results[scalar.name]!)[0]!
    }
    const expected = ((await at(step)) - (await at(-step))) / (2 * step)
    await session.release()
    return { what, expected, received, tolerance }
  }
}

/** True when the inferred type is the runtime's, where '?' stands for any size. */
function fits(inferred: string, received: string): boolean {
  const [said, came] = [inferred, received].map((type) => type.split(/[[,\]]/))
  return said!.length === came!.length && said!.every((part, i) => part === '?' || part === came![i])
}

/** sum over values of sum(w * value) with fixed random weights in [0.5, 1.5] and random sign; without salt every weight is 1. */
function weightedSum(g: Emitter, values: readonly Value[], salt: string | undefined): Value {
  const terms = values.map((value, i) => {
    if (salt === undefined) return g.sum(value)
    const shape = shapeOf(value) as number[]
    const random = createRandom(5).fork(salt).fork(i)
    const weights = Array.from(
      { length: sizeOf(shape) },
      () => (0.5 + random.uniform()) * (random.uniform() < 0.5 ? -1 : 1),
    )
    return g.sum(g.mul(value, g.constant(tensorFromNumbers(dtypeOf(value), shape, weights))))
  })
  return terms.reduce((a, b) => g.add(a, b))
}

function signs(random: Random, shape: readonly number[]): number[] {
  return Array.from({ length: sizeOf(shape) }, () => (random.uniform() < 0.5 ? -1 : 1) * (0.5 + random.uniform()))
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, v, i) => sum + v * b[i]!, 0)
}

function used(graph: Graph, feeds: Record<string, Tensor>): Record<string, Tensor> {
  return Object.fromEntries(graph.inputs.map((value) => [value.name, feeds[value.name]!]))
}

async function evaluate(
  g: Emitter,
  outputs: readonly Value[],
  feeds: Record<string, Tensor>,
  backend: Backend,
): Promise<Tensor[]> {
  // An Identity behind each output: a gradient may be an input or a constant itself, which a graph cannot return.
  const returned = outputs.map((value) => g.op('Identity', [value]))
  const graph = g.builder.finish(returned)
  validate(graph)
  const session = await backend.createSession(writeModel(graph, { opsets: { '': opsetOf(graph, table) } }).model)
  const results = await session.run(used(graph, feeds))
  await session.release()
  return returned.map((value) => results[value.name]!)
}
