/**
 * Batch normalisation that an exporter has folded into convolutions, put back: behind each a normalisation that changes nothing as long as its statistics are
 * those that it was made with. What training does then (statistics of the batch, a scale and a shift of its own) is what it did before the export.
 */
import { QuernError } from '../../core/errors.ts'
import { matching, type Pattern } from '../../core/patterns.ts'
import { float32 } from '../../core/tensor.ts'
import type { Graph, Node, Value } from '../../graph/graph.ts'
import { isBatchNormalization, isConvolution } from '../../ops/weight-inputs.ts'
import { importedLayers } from './layers.ts'

/** Of each channel of what a convolution computes. */
export interface ChannelStatistics {
  readonly mean: Float32Array
  readonly variance: Float32Array
}

export interface RestoreOptions {
  /** names or patterns of layers or nodes; default: every convolution with a bias and without a normalisation behind it */
  readonly layers?: Pattern | readonly Pattern[] | undefined
  /**
   * by the name of what the convolution computes; default mean 0 and variance 1. With those of the data, `batchNormalization: 'batch'` begins
   * training where the file ended.
   */
  readonly statistics?: ReadonlyMap<string, ChannelStatistics>
}

const epsilon = 1e-5

/** Convolutions with a bias among their constants, and no normalisation behind them. */
export function foldedConvolutions(graph: Graph, layers?: RestoreOptions['layers']): readonly Node[] {
  const normalized = new Set(graph.nodes.filter(isBatchNormalization).map(({ inputs }) => inputs[0]))
  const found = graph.nodes.filter(
    (node) => isConvolution(node) && node.inputs[2]?.constant && !normalized.has(node.outputs[0]),
  )
  if (found.length === 0) {
    throw new QuernError(
      'config',
      `restoreNormalization: the model '${graph.name}' has no convolution with a bias and without a normalisation behind it`,
      { hint: 'Leave it out: quern inspect MODEL lists the layers.' },
    )
  }
  if (layers === undefined) return found
  const names = new Map(found.map((node) => [node.name, node]))
  for (const layer of importedLayers(graph)) {
    const node = found.find(({ name }) => name === layer.node)
    if (node) names.set(layer.name, node)
  }
  const patterns = typeof layers === 'string' || layers instanceof RegExp ? [layers] : layers
  const chosen = new Set(patterns.flatMap((pattern) => matching(pattern, [...names.keys()], 'restoreNormalization')))
  const nodes = new Set([...chosen].map((name) => names.get(name)))
  return found.filter((node) => nodes.has(node))
}

/**
 * The graph with a BatchNormalization behind convolutions; it answers as before. Values keep their names, so that places for a head stay.
 *
 * @throws QuernError 'config' for a graph without such convolutions, and for patterns that mean none
 * @example
 * const restored = restoreNormalization(graph)
 * importedModel(restored, { train: 'all', batchNormalization: 'batch' })
 */
export function restoreNormalization(graph: Graph, { layers, statistics = new Map() }: RestoreOptions = {}): Graph {
  const chosen = new Set(foldedConvolutions(graph, layers))
  const nodes = graph.nodes.flatMap((node) => {
    const output = node.outputs[0]!
    return chosen.has(node) ? normalized(node, output, statistics.get(output.name)) : [node]
  })
  return { ...graph, nodes }
}

/** gamma = sqrt(variance + epsilon) and beta = mean undo (x - mean) / sqrt(variance + epsilon). */
function normalized(node: Node, output: Value, given: ChannelStatistics | undefined): readonly Node[] {
  const channels = node.inputs[2]!.constant!.shape[0]!
  const mean = given?.mean ?? new Float32Array(channels)
  const variance = given?.variance ?? new Float32Array(channels).fill(1)
  const name = `${node.name}/normalization`
  const constant = (what: string, data: Float32Array): Value => {
    const elements = float32([channels], data)
    return { name: `${name}.${what}`, type: { dtype: 'float32', shape: [channels] }, constant: elements }
  }
  const before: Value = { ...output, name: `${output.name}/folded` }
  const scale = variance.map((value) => Math.sqrt(value + epsilon))
  return [
    { ...node, outputs: [before] },
    {
      ...{ op: 'BatchNormalization', domain: '', name, outputs: [output] },
      inputs: [
        before,
        constant('weight', scale),
        constant('bias', Float32Array.from(mean)),
        constant('running_mean', mean),
        constant('running_var', variance),
      ],
      attributes: { epsilon: { kind: 'float', value: epsilon } },
    },
  ]
}
