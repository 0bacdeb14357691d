/** Where a model can be cut for a new head, and the head. */
import { QuernError } from '../../core/errors.ts'
import { isStatic, type Shape, sizeOf } from '../../core/shape.ts'
import { type Graph, shapeOf, type Value, valuesUsedBy } from '../../graph/graph.ts'
import { cutPoints } from '../../passes/cut.ts'
import { dense } from '../dense.ts'
import { type Layer, layer } from '../layer.ts'
import { sequential } from '../model.ts'
import { dropout } from '../regularization.ts'
import type { ImportedLayer } from './layers.ts'

/** A value behind which a head could stand: everything goes through it. */
export interface HeadPlace {
  readonly value: string
  readonly shape: Shape | undefined
  /** layers before it */
  readonly layers: number
}

/** Operators whose layer says what the model was for: a new task needs another. */
const deciding: ReadonlySet<string> = new Set(['Gemm', 'MatMul', 'FusedMatMul', 'FusedGemm'])

/** Places for a head from the last to the first: the output, and what each layer takes, where everything goes through it. */
export function headPlaces(graph: Graph, layers: readonly ImportedLayer[]): readonly HeadPlace[] {
  const points = new Set(cutPoints(graph))
  const names = new Map(layers.map((layer, i) => [layer.node, i]))
  const places: HeadPlace[] = []
  for (const node of graph.nodes) {
    const at = names.get(node.name)
    const value = at === undefined ? undefined : valuesUsedBy(node).find((used) => points.has(used))
    if (value && at! > 0) places.push({ value: value.name, shape: value.type?.shape, layers: at! })
  }
  const output = graph.outputs.length === 1 ? graph.outputs[0] : undefined
  if (output) places.push({ value: output.name, shape: output.type?.shape, layers: layers.length })
  return places.reverse()
}

/**
 * Where a new head stands when nobody says: before the last layer when that multiplies by a matrix, as classifiers end; else behind the output.
 *
 * @throws QuernError 'config' for a model of several outputs without such a layer
 */
export function defaultHeadPlace(graph: Graph, layers: readonly ImportedLayer[]): string {
  const places = headPlaces(graph, layers)
  const last = layers.at(-1)
  const before = places.find(({ layers: count }) => count === layers.length - 1)
  if (last && deciding.has(last.op) && before) return before.value
  const [output] = graph.outputs
  if (output && graph.outputs.length === 1) return output.name
  const names = graph.outputs.map(({ name }) => name).join(', ')
  throw new QuernError('config', `the model '${graph.name}' has several outputs: ${names}`, {
    hint: 'Say where the head stands: output: NAME. quern inspect MODEL lists the places.',
  })
}

export interface HeadOptions {
  /** outputs */
  readonly units: number
  /** units of layers with relu before the last; default none */
  readonly hidden?: readonly number[]
  /** before the last layer; default 0 */
  readonly dropout?: number
  /** of the last layer; default: none */
  readonly activation?: 'softmax' | 'sigmoid' | undefined
}

/** More features of an example than these are averaged over their places. */
const mostFlat = 4096

/** Dense layers behind features of any rank. */
export function head({ units, hidden = [], dropout: rate = 0, activation }: HeadOptions): Layer {
  return sequential(
    [
      features,
      ...hidden.map((size, i) =>
        dense({ units: size, activation: 'relu', name: hidden.length === 1 ? 'hidden' : `hidden_${i}` }),
      ),
      ...(rate > 0 ? [dropout({ rate })] : []),
      dense({ units, name: 'output', ...(activation ? { activation } : {}) }),
    ],
    { name: 'head' },
  )
}

/** `[batch, ...]` as `[batch, features]`: flattened, or averaged over height and width (channels first), or over time. */
const features: Layer = layer({
  kind: 'features',
  config: {},
  apply: ({ g }, [x]) => {
    const [batch = 1, ...rest] = shapeOf(x!)
    if (rest.length === 1) return x!
    if (rest.length === 0) throw new QuernError('input', 'a head needs features, received one number an example')
    if (isStatic(rest) && sizeOf(rest) <= mostFlat) return g.reshape(x!, [batch, sizeOf(rest)])
    const mean: Value =
      rest.length === 2
        ? g.mean(x!, [1])
        : g.mean(
            x!,
            rest.slice(1).map((_, i) => i + 2),
          )
    return mean
  },
})
