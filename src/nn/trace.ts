/** Applies models on symbolic or static shapes, and collects what they declared: parameters, states, updates, draws. */
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { formatShape, type Shape, sameShape } from '../core/shape.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { TensorType, Value } from '../graph/graph.ts'
import { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import { type Distribution, type ResolvedDistribution, resolveDistribution } from './distribution.ts'
import { initialValues, writeInitialValues } from './initializers.ts'
import type { Layer, LayerContext, ParameterSpec } from './layer.ts'
import { inOrder, outputNames } from './port-order.ts'

export interface TracedParameter {
  /** 'conv2d_1/kernel' */
  readonly path: string
  readonly spec: ParameterSpec
  readonly value: Value
  readonly trainable: boolean
}

/** Random numbers that the training loop draws before every step. `site` names the place: it keys them. */
export interface TracedDraw {
  readonly value: Value
  readonly distribution: ResolvedDistribution
  readonly site: string
}

export interface Trace {
  readonly g: Emitter
  readonly inputs: readonly Value[]
  /** of a model of several outputs, the first */
  readonly output: Value
  /** of a model of several outputs, by name, in the model's order */
  readonly outputs: ReadonlyMap<string, Value> | undefined
  readonly parameters: readonly TracedParameter[]
  /** new values of states, by path; empty in inference */
  readonly updates: ReadonlyMap<string, Value>
  readonly draws: readonly TracedDraw[]
}

export interface TraceInput {
  readonly name: string
  readonly type: TensorType
}

/** Writes the model's operators into a new graph. */
export function trace(
  model: Layer,
  inputs: readonly TraceInput[],
  options: { table: OpTable; training: boolean; name?: string },
): Trace {
  const g = new Emitter(options.table, new GraphBuilder(options.name ?? 'model'))
  const values = inputs.map(({ name, type }) => g.builder.input(name, type))
  const tracer = new Tracer(g)
  const { training } = options
  const named = model.applyAll && tracer.applyAll('', model, values, training)
  const outputs = named && new Map(inOrder(outputNames(model), named))
  const output = outputs ? [...outputs.values()][0]! : tracer.apply('', model, values, training)
  const { parameters, updates, draws } = tracer
  return { g, inputs: values, output, outputs, parameters: [...parameters.values()], updates, draws }
}

/** Applies any number of models in one graph. What lies at the same path, or is the same layer, shares its parameters. */
export class Tracer {
  readonly g: Emitter
  readonly parameters: Map<string, TracedParameter> = new Map()
  /** new values of states, by path */
  readonly updates: Map<string, Value> = new Map()
  /** of one batch, by the paths of the states that are moving means of them; one for each time that the layer is applied */
  readonly statistics: Map<string, readonly Value[]> = new Map()
  readonly draws: TracedDraw[] = []
  // A layer that occurs in two containers shares its parameters too: they stay where it was met first.
  readonly #homes = new Map<Layer, string>()

  constructor(g: Emitter) {
    this.g = g
  }

  /** Applies a model; its parameters get `path/` in front, unless that is empty. */
  apply(path: string, model: Layer, inputs: readonly Value[], training: boolean): Value {
    return atLayer(path, model, inputs, () => model.apply(this.#contextAt(path, training), inputs))
  }

  /** As `apply`, for a model of several outputs. */
  applyAll(path: string, model: Layer, inputs: readonly Value[], training: boolean): Readonly<Record<string, Value>> {
    return atLayer(path, model, inputs, () => {
      if (model.applyAll) return model.applyAll(this.#contextAt(path, training), inputs)
      throw new QuernError('config', `the ${model.kind} has one output, asked for several by name`)
    })
  }

  /** A draw at a place of its own. */
  draw(site: string, shape: Shape, distribution: ResolvedDistribution): Value {
    const value = this.g.builder.input(site, { dtype: 'float32', shape })
    if (value.name !== site) {
      throw new QuernError('config', `the random numbers '${site}' have the name of an input or a parameter`, {
        hint: 'Name one of them otherwise.',
      })
    }
    this.draws.push({ value, distribution, site })
    return value
  }

  #contextAt(prefix: string, training: boolean): LayerContext {
    const pathOf = (name: string) => (prefix === '' ? name : `${prefix}/${name}`)
    return {
      g: this.g,
      training,
      parameter: (name, spec) => this.#declare(prefix, name, spec, true),
      state: (name, spec) => {
        const value = this.#declare(prefix, name, spec, false)
        return (training && this.updates.get(pathOf(name))) || value
      },
      update: (name, value, statistic) => {
        if (!training) return
        this.updates.set(pathOf(name), value)
        if (statistic) this.statistics.set(pathOf(name), [...(this.statistics.get(pathOf(name)) ?? []), statistic])
      },
      dropoutMask: (shape, rate) => this.draw(pathOf(`mask_${this.draws.length}`), shape, { name: 'dropout', rate }),
      random: (shape, distribution: Distribution = 'normal') =>
        this.draw(pathOf(`random_${this.draws.length}`), shape, resolveDistribution(distribution)),
      inner: (name, layer, from) => {
        const path = this.#homes.get(layer) ?? pathOf(name)
        this.#homes.set(layer, path)
        return this.g.builder.within(name, () => this.apply(path, layer, from, training))
      },
    }
  }

  #declare(prefix: string, name: string, spec: ParameterSpec, trainable: boolean): Value {
    const path = prefix === '' ? name : `${prefix}/${name}`
    const known = this.parameters.get(path)
    if (known) {
      if (sameShape(known.spec.shape, spec.shape)) return known.value
      throw new QuernError(
        'config',
        `layer '${prefix}' is shared by inputs of different sizes: '${name}' is ${formatShape(known.spec.shape)} and ${formatShape(spec.shape)}`,
      )
    }
    const value = this.g.builder.parameter(path, { dtype: 'float32', shape: spec.shape })
    if (value.name !== path) {
      throw new QuernError('config', `the parameter '${path}' has the name of an input`, {
        hint: 'Name the input otherwise.',
      })
    }
    this.parameters.set(path, { path, spec, value, trainable })
    return value
  }
}

/** Says at which layer, fed with what, an error came up. Only the innermost layer speaks. */
function atLayer<T>(path: string, layer: Layer, inputs: readonly Value[], body: () => T): T {
  try {
    if (layer.arity !== 'many' && inputs.length !== 1) {
      throw new QuernError('input', `${layer.kind} takes one input, received ${inputs.length}`)
    }
    return body()
  } catch (error) {
    if (!(error instanceof QuernError) || located.has(error)) throw error
    const types = inputs.map(({ type }) =>
      type ? `${type.dtype} ${formatShape(type.shape ?? [])}` : 'an unknown type',
    )
    const given = types.length === 0 ? 'no inputs' : types.join(', ')
    const who = path === '' ? layer.kind : `'${path}' (${layer.kind})`
    const wrapped = new QuernError(error.kind, `layer ${who} on ${given}: ${error.message}`, {
      hint: error.hint,
      cause: error,
    })
    located.add(wrapped)
    throw wrapped
  }
}

const located = new WeakSet<QuernError>()

/** Initial elements of every parameter. Each draws from its own stream, keyed by its path. */
export function initialParameters(
  parameters: readonly TracedParameter[],
  random: Random,
): Map<string, Tensor<Float32Array>> {
  return new Map(
    parameters.map(({ path, spec }) => [
      path,
      float32(spec.shape, initialValues(spec.initializer, spec.shape, random.fork(path), spec.layout)),
    ]),
  )
}

/** Writes what `initialParameters` has for a parameter to memory that is there. */
export function writeInitialParameter({ path, spec }: TracedParameter, random: Random, into: Float32Array): void {
  const { shape, layout, initializer } = spec
  writeInitialValues(into, initializer, { shape, random: random.fork(path), ...(layout && { layout }) })
}
