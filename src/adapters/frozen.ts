/** A layer on given numbers: its parameters and states become constants of the graph, and it acts as when it predicts. */
import { QuernError, suggestion } from '../core/errors.ts'
import { formatShape, sameShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { GraphBuilder } from '../graph/builder.ts'
import type { Value } from '../graph/graph.ts'
import type { Layer, LayerContext, ParameterSpec } from '../nn/layer.ts'

/** Constants of a graph that is being built: a layer that is applied twice has them once. */
const placements = new WeakMap<GraphBuilder, Map<Tensor, Value>>()

/** A context in which the layer finds its weights, by path, in place of declaring them. */
export function frozenContext(c: LayerContext, weights: ReadonlyMap<string, Tensor>): LayerContext {
  // As in a trace: a layer that occurs in two containers shares its parameters, which stay where it was met first.
  const homes = new Map<Layer, string>()
  let known = placements.get(c.g.builder)
  if (!known) {
    known = new Map()
    placements.set(c.g.builder, known)
  }
  const place = (path: string, { shape }: ParameterSpec): Value => {
    const tensor = weights.get(path)
    if (!tensor) {
      throw new QuernError('missing', `there is no weight '${path}'. ${suggestion(path, weights.keys())}`, {
        hint: "Give the trained model's own parameters: adaptedModel(model, { weights: fitted.parameters, ... }).",
      })
    }
    if (!sameShape(tensor.shape, shape)) {
      throw new QuernError(
        'input',
        `the weight '${path}' has the shape ${formatShape(tensor.shape)}, the model needs ${formatShape(shape)}`,
      )
    }
    const value = known.get(tensor) ?? c.g.constant(tensor, path)
    known.set(tensor, value)
    return value
  }
  const at = (prefix: string): LayerContext => {
    const pathOf = (name: string) => (prefix === '' ? name : `${prefix}/${name}`)
    return {
      ...c,
      training: false,
      parameter: (name, spec) => place(pathOf(name), spec),
      state: (name, spec) => place(pathOf(name), spec),
      update: () => {},
      inner: (name, layer, inputs) => {
        const path = homes.get(layer) ?? pathOf(name)
        homes.set(layer, path)
        return c.g.builder.within(name, () => layer.apply(at(path), inputs))
      },
    }
  }
  return at('')
}
