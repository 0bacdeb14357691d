/** What is in a model file: inputs, outputs, layers by name, what could be trained and where a new head could stand. */
import { messageOf } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import { blockedValues, headPlaces, importedLayers, importedWeights, innerWeights, whyBlocking } from '../nn/index.ts'
import { checkFinite } from '../onnx/check-finite.ts'
import type { OpTable } from '../ops/op.ts'
import { isBatchTraining, isQuantizedOperator } from '../ops/weight-inputs.ts'
import type { BaseTokenizer } from '../tasks/task.ts'
import { type BaseModel, openBase } from './base-model.ts'
import type { Services } from './services.ts'

export interface InspectedPort {
  readonly name: string
  /** 'float32 [N, 3, 224, 224]' */
  readonly type: string
}

export interface InspectedLayer {
  readonly name: string
  readonly op: string
  readonly parameters: number
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: string }[]
  /** the operator that keeps it from being trained, and why; undefined when it can be */
  readonly blockedBy?: string
}

export interface InspectedModel {
  readonly name: string
  readonly sha256: string
  readonly inputs: readonly InspectedPort[]
  readonly outputs: readonly InspectedPort[]
  /** elements of all weights that can be trained */
  readonly parameters: number
  /** elements of the weights inside of If, Loop and Scan, which are not trained */
  readonly innerParameters: number
  readonly layers: readonly InspectedLayer[]
  /** how often each operator occurs, most often first */
  readonly operators: Readonly<Record<string, number>>
  /** operators without a gradient between weights or inputs and the outputs */
  readonly withoutGradient: readonly { readonly op: string; readonly node: string; readonly why: string }[]
  /** nodes that answer as while training, since the file was exported so: by chance, by the statistics of the batch */
  readonly trainingMode: { readonly dropout: number; readonly normalization: number }
  /** what is wrong with its weights: a model with NaN in it answers NaN */
  readonly damaged?: string
  /** it computes with integers that stand for real numbers */
  readonly quantized: boolean
  /** values behind which a head could stand, the last first; `layers`: how many come before it */
  readonly heads: readonly { readonly value: string; readonly shape: string; readonly layers: number }[]
  readonly labels?: readonly string[] | undefined
  readonly image?: BaseModel['image']
  /** of a folder with tokenizer.json */
  readonly tokenizer?: Omit<BaseTokenizer, 'bytes'>
}

/** Opens a model as training would and describes it. Errors: those of `openBase`. */
export async function inspectModel(services: Services, name: string): Promise<InspectedModel> {
  const base = await openBase(services, name)
  const { graph, labels, image, tokenizer, hash } = base
  const layers = importedLayers(graph)
  const { by, nodes } = blockedValues(graph, services.table)
  return {
    name,
    sha256: hash,
    inputs: graph.inputs.map(port),
    outputs: graph.outputs.map(port),
    parameters: importedWeights(layers).reduce((sum, { elements }) => sum + elements.data.length, 0),
    innerParameters: innerWeights(graph).reduce((sum, { elements }) => sum + elements.data.length, 0),
    layers: layers.map(({ name: layer, op, parameters, weights }) => {
      const blocker = weights.map(({ value }) => by.get(value)).find(Boolean)
      return {
        ...{ name: layer, op, parameters },
        weights: weights.map(({ name: weight, elements: { shape, dtype } }) => ({ name: weight, shape, dtype })),
        ...(blocker ? { blockedBy: `${blocker.op} at '${blocker.name}'` } : {}),
      }
    }),
    operators: countOperators(graph),
    withoutGradient: nodes.map((node) => described(node, services.table)),
    trainingMode: { dropout: base.dropping ?? 0, normalization: graph.nodes.filter(isBatchTraining).length },
    ...damageOf(graph),
    quantized: graph.nodes.some(isQuantizedOperator),
    heads: headPlaces(graph, layers).map((place) => ({
      value: place.value,
      shape: place.shape ? formatShape(place.shape) : 'unknown',
      layers: place.layers,
    })),
    ...(labels ? { labels } : {}),
    ...(image ? { image } : {}),
    ...(tokenizer && { tokenizer: { kind: tokenizer.kind, vocabulary: tokenizer.vocabulary } }),
  }
}

function damageOf(graph: Graph): { damaged?: string } {
  try {
    checkFinite(graph, new Map())
    return {}
  } catch (error) {
    return { damaged: messageOf(error) }
  }
}

function port({ name, type, container }: Value): InspectedPort {
  const shape = type?.shape ? ` ${formatShape(type.shape)}` : ''
  return { name, type: type ? `${type.dtype}${shape}` : (container?.kind ?? 'unknown') }
}

function described(node: Node, table: OpTable) {
  const op = node.domain === '' ? node.op : `${node.domain}.${node.op}`
  return { op, node: node.name, why: whyBlocking(node, table) ?? 'nothing real leaves it' }
}

/** Sub-graphs included. */
function countOperators(graph: Graph): Record<string, number> {
  const counts = new Map<string, number>()
  const visit = ({ nodes }: Graph): void => {
    for (const { op, domain, attributes } of nodes) {
      const name = domain === '' ? op : `${domain}.${op}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
      for (const attribute of Object.values(attributes)) if (attribute.kind === 'graph') visit(attribute.value)
    }
  }
  visit(graph)
  return Object.fromEntries([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)))
}
