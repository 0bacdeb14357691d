/**
 * A model with adapters as a layer: the model stands in the graph as it is, its frozen weights as constants, and the adapters' matrices are the
 * parameters that are trained.
 */
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import { type CommonOptions, type InputSpec, type Layer, type LayerContext, layer } from '../nn/layer.ts'
import { frozenContext } from './frozen.ts'
import { type AdapterMethod, checkMethod } from './method.ts'
import { placedSites, writeAdapted } from './write.ts'

export interface AdaptedOptions extends CommonOptions {
  readonly adapter: AdapterMethod
  /** the model's parameters and states by path, such as `fitted.parameters`: for layers of one's own. An imported model has its weights in it. */
  readonly weights?: ReadonlyMap<string, Tensor>
}

/**
 * The model with adapters on its frozen weights; what the model declares as parameters (a new head) is trained beside them. Paths of the
 * adapters' parameters are those of the weights with '/lora_A' and the like behind. Given `weights`, the model acts as when it predicts: nothing of it is
 * dropped, and its normalisation does not move.
 *
 * Errors: 'config' for what is no layer or no method. When it is applied: 'config' for patterns that mean no frozen weight and ranks over a weight's size, 'unsupported' for weights that
 * have no adapter, 'missing' for weights that are not given.
 *
 * @example
 * const tuned = adaptedModel(importedModel(graph, { train: 'none' }), { adapter: lora({ rank: 8, targets: ['query', 'value'] }) })
 * fit(tuned, { x, y, loss: 'sparseCategoricalCrossentropy' })
 */
export function adaptedModel(model: Layer, options: AdaptedOptions): Layer {
  checkModel(model)
  checkOptions(options)
  const { adapter, weights, name } = options
  const rewrite = <Result>(c: LayerContext, apply: (inner: LayerContext) => Result): Result => {
    const { nodes } = c.g.builder
    const start = nodes.length
    const result = apply(weights ? frozenContext(c, weights) : c)
    const written: Node[] = nodes.splice(start)
    const parameters = new Map<string, Value>()
    const parameter = ({ path, spec }: Parameters<Parameters<AdapterMethod['write']>[0]['parameter']>[0]): Value => {
      const known = parameters.get(path) ?? c.parameter(path, spec)
      parameters.set(path, known)
      return known
    }
    const { g, training } = c
    const dropoutMask = (...given: Parameters<LayerContext['dropoutMask']>) => c.dropoutMask(...given)
    writeAdapted({ g, training, parameter, dropoutMask }, written, {
      sites: placedSites(written, adapter),
      method: adapter,
    })
    return result
  }
  const { inputs, outputs } = model as { readonly inputs?: readonly InputSpec[]; readonly outputs?: readonly string[] }
  const made = layer({
    kind: 'adaptedModel',
    config: {
      ...(name === undefined ? {} : { name }),
      adapter: {
        kind: adapter.kind,
        ...adapter.config,
        targets: adapter.targets && [adapter.targets].flat().map(String),
      },
      model: { kind: model.kind, ...model.config },
    },
    ...(model.arity ? { arity: model.arity } : {}),
    ...(model.keepsMask ? { keepsMask: model.keepsMask } : {}),
    apply: (c, given) => rewrite(c, (inner) => model.apply(inner, given)),
    ...(model.applyAll && { applyAll: (c, given) => rewrite(c, (inner) => model.applyAll!(inner, given)) }),
  })
  return Object.assign(made, inputs && { inputs }, outputs && { outputs })
}

/** @throws QuernError 'config' for a graph, bytes or anything else that is no layer */
function checkModel(model: unknown): void {
  if (typeof (model as Partial<Layer> | undefined)?.apply === 'function') return
  const isGraph = Array.isArray((model as Partial<Graph> | undefined)?.nodes)
  throw new QuernError('config', `adaptedModel takes a layer, received ${isGraph ? 'a graph' : typeof model}`, {
    hint: isGraph
      ? "Make it a layer: adaptedModel(importedModel(graph, { train: 'none' }), { adapter }). adaptGraph(graph, method) takes graphs."
      : 'Give a layer, a model, or importedModel(graph).',
  })
}

/** @throws QuernError 'config' for a method in the place of the options, and for one that is none */
function checkOptions(options: unknown): void {
  const { kind, parameters, adapter } = (options ?? {}) as Partial<AdapterMethod & AdaptedOptions>
  if (kind !== undefined && typeof parameters === 'function') {
    throw new QuernError('config', `adaptedModel takes its adapter by name, received what ${kind}() returns`, {
      hint: `Write adaptedModel(model, { adapter: ${kind}(...) }).`,
    })
  }
  checkMethod(adapter, 'adaptedModel: adapter')
}
