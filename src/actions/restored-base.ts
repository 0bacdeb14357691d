/** A base whose folded normalisation is put back with the statistics of a few examples, so that training begins where the file ended. */
import { QuernError } from '../core/errors.ts'
import { isStatic } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Graph } from '../graph/graph.ts'
import {
  type ChannelStatistics,
  foldedConvolutions,
  type Layer,
  type RestoreOptions,
  restoreNormalization,
} from '../nn/index.ts'
import { writeModel } from '../onnx/write.ts'
import type { OpTable } from '../ops/op.ts'
import type { Backend } from '../runtime/backend.ts'
import type { BaseModel } from './base-model.ts'
import { answersOf } from './compare-answers.ts'

/** Examples that the statistics are taken of. */
export const restoringExamples = 32

/**
 * The base with normalisation behind its convolutions.
 *
 * @param wanted true for all of them, or names and patterns of layers
 * @param examples raw columns in the order of the base's inputs, or of what `prepare` takes
 */
export async function restoredBase(
  services: { readonly backend: Backend; readonly table: OpTable },
  base: BaseModel,
  of: {
    readonly wanted: true | NonNullable<RestoreOptions['layers']>
    readonly examples: Readonly<Record<string, Tensor>>
    readonly prepare: Layer | undefined
  },
): Promise<BaseModel> {
  const { wanted, examples, prepare } = of
  const layers = wanted === true ? undefined : wanted
  const inputs = prepare ? await answersOf(prepare, examples, services) : Object.values(examples)
  const statistics = await channelStatistics(services.backend, base.graph, layers, inputs)
  return { ...base, graph: restoreNormalization(base.graph, { layers, statistics }) }
}

/** Mean and variance of the channels that the convolutions compute, over examples, height and width. */
async function channelStatistics(
  backend: Backend,
  graph: Graph,
  layers: RestoreOptions['layers'],
  columns: readonly Tensor[],
): Promise<ReadonlyMap<string, ChannelStatistics>> {
  const values = foldedConvolutions(graph, layers).map(({ outputs }) => outputs[0]!)
  const session = await backend.createSession(writeModel({ ...graph, outputs: values }).model)
  const sums = new Map(values.map(({ name }) => [name, { count: 0, sums: [] as number[], squares: [] as number[] }]))
  try {
    // A file may be made for one example at a time.
    const fixed = graph.inputs[0]?.type?.shape?.[0]
    const size = typeof fixed === 'number' ? fixed : (columns[0]?.shape[0] ?? 0)
    for (let first = 0; first + size <= (columns[0]?.shape[0] ?? 0) && size > 0; first += size) {
      const feeds = graph.inputs.map(({ name }, i) => [name, rowsFrom(columns[i]!, first, size)] as const)
      const results = await session.run(Object.fromEntries(feeds))
      for (const [name, into] of sums) addChannels(into, results[name]!)
    }
  } finally {
    await session.release()
  }
  return new Map([...sums].map(([name, found]) => [name, statisticsOf(name, found)]))
}

function rowsFrom({ dtype, shape: [, ...rest], data }: Tensor, first: number, count: number): Tensor {
  if (!isStatic(rest)) throw new QuernError('input', 'examples must have known sizes')
  const size = rest.reduce((product, n) => product * n, 1)
  return { dtype, shape: [count, ...rest], data: (data as Float32Array).subarray(first * size, (first + count) * size) }
}

interface Sums {
  count: number
  readonly sums: number[]
  readonly squares: number[]
}

/** Channels are the second axis. */
function addChannels(into: Sums, { shape, data }: Tensor): void {
  const [batch = 1, channels = 1] = shape
  const places = data.length / (batch * channels)
  const numbers = data as Float32Array
  into.count += batch * places
  for (let i = 0; i < batch * channels; i++) {
    let [sum, squares] = [0, 0]
    for (let at = i * places; at < (i + 1) * places; at++) {
      sum += numbers[at]!
      squares += numbers[at]! ** 2
    }
    const channel = i % channels
    into.sums[channel] = (into.sums[channel] ?? 0) + sum
    into.squares[channel] = (into.squares[channel] ?? 0) + squares
  }
}

function statisticsOf(name: string, { count, sums, squares }: Sums): ChannelStatistics {
  if (count === 0) {
    throw new QuernError('input', `there are too few examples for the statistics of '${name}'`, {
      hint: 'The file fixes the number of examples of a run: give at least as many, or leave restoreNormalization out.',
    })
  }
  const mean = Float32Array.from(sums, (sum) => sum / count)
  // A channel that never varies would have its first change divided by next to nothing.
  const variance = Float32Array.from(squares, (square, i) => Math.max(square / count - (sums[i]! / count) ** 2, 1e-3))
  return { mean, variance }
}
