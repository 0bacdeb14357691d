/** Models: layers made of layers, either a chain (`sequential`) or any graph without cycles (`model`). */
import { QuernError } from '../core/errors.ts'
import type { Value } from '../graph/graph.ts'
import type { DType } from '../core/dtype.ts'
import type { StaticShape } from '../core/shape.ts'
import { type InputSpec, type Layer, layer, type SymbolicTensor } from './layer.ts'

/** Names for the inner layers: the config's own, or the kind, numbered from the second on (conv2d, conv2d_1). */
function nameLayers(layers: readonly Layer[]): Map<Layer, string> {
  const names = new Map<Layer, string>()
  const counts = new Map<string, number>()
  for (const inner of layers) {
    if (names.has(inner)) continue
    const given = inner.config['name']
    const base = typeof given === 'string' ? given : inner.kind
    const count = counts.get(base) ?? 0
    counts.set(base, count + 1)
    if (count > 0 && typeof given === 'string') {
      throw new QuernError('config', `two layers of a model are named '${given}'`, { hint: 'Give each layer its own name.' })
    }
    names.set(inner, count === 0 ? base : `${base}_${count}`)
  }
  return names
}

/**
 * A chain of layers, each applied to the result of the one before.
 * @example sequential([flatten(), dense({ units: 100, activation: 'relu' }), dense({ units: 10, activation: 'softmax' })])
 */
export function sequential(layers: readonly Layer[], options: { name?: string } = {}): Layer {
  const names = nameLayers(layers)
  return layer({
    kind: 'sequential',
    config: { ...options, layers: layers.map((inner) => ({ kind: inner.kind, ...inner.config })) },
    apply: (c, inputs) => {
      if (inputs.length !== 1) throw new QuernError('input', `sequential takes one input, received ${inputs.length}`)
      return layers.reduce((x, inner) => c.inner(names.get(inner)!, inner, [x]), inputs[0]!)
    },
  })
}

/**
 * A symbolic input of a model; the shape is that of one example, without the batch axis.
 * @example
 * const pixels = input({ shape: [1, 28, 28] })
 * const scores = dense({ units: 10 })(flatten()(pixels))
 * const net = model({ inputs: pixels, outputs: scores })
 */
export function input(options: { shape: StaticShape; dtype?: DType; name?: string }): SymbolicTensor {
  const { shape, dtype = 'float32', name = 'input' } = options
  return { kind: 'input', spec: { name, dtype, shape } }
}

/** A model of the functional style; it knows what it is fed. */
export interface Model extends Layer {
  readonly inputs: readonly InputSpec[]
}

/**
 * A model from symbolic inputs to a symbolic output. A layer that was called twice shares its parameters.
 * Throws when the output does not come from the inputs.
 */
export function model(options: {
  inputs: SymbolicTensor | readonly SymbolicTensor[]
  outputs: SymbolicTensor
  name?: string
}): Model {
  const inputs = 'kind' in options.inputs ? [options.inputs] : options.inputs
  const specs = inputs.map((wire) => {
    if (wire.kind === 'input') return wire.spec
    throw new QuernError('config', 'an input of a model must come from input(), received the output of a layer')
  })
  const order = callsInOrder(options.outputs, new Set(inputs))
  const names = nameLayers(order.map((call) => call.layer))
  const made = layer({
    kind: 'model',
    config: {
      ...(options.name === undefined ? {} : { name: options.name }),
      layers: [...names].map(([inner, name]) => ({ kind: inner.kind, ...inner.config, name })),
    },
    apply: (c, given) => {
      if (given.length !== inputs.length) {
        throw new QuernError('input', `the model takes ${inputs.length} inputs, received ${given.length}`)
      }
      const values = new Map<SymbolicTensor, Value>(inputs.map((wire, i) => [wire, given[i]!]))
      for (const call of order) {
        const from = call.inputs.map((wire) => values.get(wire)!)
        values.set(call, c.inner(names.get(call.layer)!, call.layer, from))
      }
      return values.get(options.outputs)!
    },
  })
  return Object.assign(made, { inputs: specs })
}

type Call = Extract<SymbolicTensor, { kind: 'call' }>

/** Calls that the output needs, each after those that it reads. */
function callsInOrder(output: SymbolicTensor, inputs: ReadonlySet<SymbolicTensor>): Call[] {
  const order: Call[] = []
  const done = new Set<SymbolicTensor>(inputs)
  const visit = (wire: SymbolicTensor): void => {
    if (done.has(wire)) return
    done.add(wire)
    if (wire.kind === 'input') {
      throw new QuernError('config', `the output needs the input '${wire.spec.name}', which is not among the model's inputs`)
    }
    for (const from of wire.inputs) visit(from)
    order.push(wire)
  }
  visit(output)
  return order
}
