/** Applies a model once, on symbolic or static shapes, and collects what it declared: parameters, states, updates, masks. */
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { formatShape, type Shape, sameShape } from '../core/shape.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import { GraphBuilder } from '../graph/builder.ts'
import type { TensorType, Value } from '../graph/graph.ts'
import { Emitter } from '../ops/emitter.ts'
import type { OpTable } from '../ops/op.ts'
import { initialValues } from './initializers.ts'
import type { Layer, LayerContext, ParameterSpec } from './layer.ts'

export interface TracedParameter {
  /** 'conv2d_1/kernel' */
  readonly path: string
  readonly spec: ParameterSpec
  readonly value: Value
  readonly trainable: boolean
}

/** A mask that the training loop fills before every step. `site` names the place: it keys the random numbers. */
export interface TracedMask {
  readonly value: Value
  readonly rate: number
  readonly site: string
}

export interface Trace {
  readonly g: Emitter
  readonly inputs: readonly Value[]
  readonly output: Value
  readonly parameters: readonly TracedParameter[]
  /** new values of states, by path; empty in inference */
  readonly updates: ReadonlyMap<string, Value>
  readonly masks: readonly TracedMask[]
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
  const parameters = new Map<string, TracedParameter>()
  const updates = new Map<string, Value>()
  const masks: TracedMask[] = []
  // A layer that occurs in two containers shares its parameters too: they stay where it was met first.
  const homes = new Map<Layer, string>()

  const contextAt = (prefix: string): LayerContext => {
    const pathOf = (name: string) => (prefix === '' ? name : `${prefix}/${name}`)
    const declare = (name: string, spec: ParameterSpec, trainable: boolean): Value => {
      const path = pathOf(name)
      const known = parameters.get(path)
      if (known) {
        if (sameShape(known.spec.shape, spec.shape)) return known.value
        throw new QuernError(
          'config',
          `layer '${prefix}' is shared by inputs of different sizes: '${name}' is ${formatShape(known.spec.shape)} and ${formatShape(spec.shape)}`,
        )
      }
      const value = g.builder.parameter(path, { dtype: 'float32', shape: spec.shape })
      if (value.name !== path) {
        throw new QuernError('config', `the parameter '${path}' has the name of an input`, {
          hint: 'Name the input otherwise.',
        })
      }
      parameters.set(path, { path, spec, value, trainable })
      return value
    }
    return {
      g,
      training: options.training,
      parameter: (name, spec) => declare(name, spec, true),
      state: (name, spec) => declare(name, spec, false),
      update: (name, value) => {
        if (options.training) updates.set(pathOf(name), value)
      },
      dropoutMask: (shape: Shape, rate) => {
        const site = pathOf(`mask_${masks.length}`)
        const value = g.builder.input(site, { dtype: 'float32', shape })
        masks.push({ value, rate, site })
        return value
      },
      inner: (name, layer, from) => {
        const path = homes.get(layer) ?? pathOf(name)
        homes.set(layer, path)
        return g.builder.within(name, () => atLayer(path, layer, from, () => layer.apply(contextAt(path), from)))
      },
    }
  }
  const output = atLayer('', model, values, () => model.apply(contextAt(''), values))
  return { g, inputs: values, output, parameters: [...parameters.values()], updates, masks }
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
