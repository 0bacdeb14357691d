/** Models: layers made of layers, either a chain (`sequential`) or any graph without cycles (`model`). */

import type { DType } from '../core/dtype.ts'
import { QuernError } from '../core/errors.ts'
import type { StaticShape } from '../core/shape.ts'
import type { Value } from '../graph/graph.ts'
import { type InputSpec, type Layer, type LayerContext, layer, type SymbolicTensor } from './layer.ts'

/**
 * Names for the inner layers: the config's own, or the kind, numbered from the second on (conv2d, conv2d_1). A number that a
 * given name takes already is left out: two layers of one name would silently share their parameters.
 */
function nameLayers(layers: readonly Layer[]): Map<Layer, string> {
  const distinct = [...new Set(layers)]
  const taken = new Set<string>()
  for (const { config, kind } of distinct) {
    const given = config.name
    if (given === undefined) continue
    if (typeof given !== 'string' || given === '' || given.includes('/')) {
      throw new QuernError(
        'config',
        `the name of a ${kind} layer must be text without '/', received ${JSON.stringify(given)}`,
      )
    }
    if (taken.has(given)) {
      throw new QuernError('config', `two layers of a model are named '${given}'`, {
        hint: 'Give each layer its own name.',
      })
    }
    taken.add(given)
  }
  const counts = new Map<string, number>()
  return new Map(
    distinct.map((inner) => [inner, (inner.config.name as string | undefined) ?? numbered(inner.kind, counts, taken)]),
  )
}

function numbered(kind: string, counts: Map<string, number>, taken: ReadonlySet<string>): string {
  const count = counts.get(kind) ?? 0
  counts.set(kind, count + 1)
  const name = count === 0 ? kind : `${kind}_${count}`
  return taken.has(name) ? numbered(kind, counts, taken) : name
}

/**
 * A chain of layers, each applied to the result of the one before. A layer that occurs twice shares its parameters.
 * Errors: `config` for an empty chain and for names that two layers have.
 * @example sequential([flatten(), dense({ units: 100, activation: 'relu' }), dense({ units: 10, activation: 'softmax' })])
 */
export function sequential(layers: readonly Layer[], options: { name?: string } = {}): Layer {
  if (layers.length === 0) throw new QuernError('config', 'sequential needs at least one layer, received none')
  const names = nameLayers(layers)
  return layer({
    kind: 'sequential',
    config: { ...options, layers: layers.map((inner) => ({ kind: inner.kind, ...inner.config })) },
    apply: (c, [x]) => layers.reduce((value, inner) => c.inner(names.get(inner)!, inner, [value]), x!),
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
  /** names of its outputs, where there are several */
  readonly outputs?: readonly string[]
}

/**
 * A model from symbolic inputs to a symbolic output, or to several by name. A layer that was called twice shares its parameters.
 * Errors: `config` when the output needs an input that is not given or does not need one that is, for an input given twice, and
 * for names that two layers or inputs have.
 */
export function model(options: {
  inputs: SymbolicTensor | readonly SymbolicTensor[]
  outputs: SymbolicTensor | Readonly<Record<string, SymbolicTensor>>
  name?: string
}): Model {
  const inputs = 'kind' in options.inputs ? [options.inputs] : options.inputs
  const specs = inputs.map((wire) => {
    if (wire.kind === 'input') return wire.spec
    throw new QuernError('config', 'an input of a model must come from input(), received the output of a layer')
  })
  for (const [i, { name }] of specs.entries()) {
    if (specs.findIndex((other) => other.name === name) === i) continue
    throw new QuernError('config', `two inputs of a model are named '${name}'`, {
      hint: "Name them: input({ name: 'left', shape: [8] }).",
    })
  }
  const { outputs } = options
  // A call is a wire only if its kind says so: an output may be named 'kind'.
  const named = isWire(outputs) ? undefined : outputs
  const wires = named ? Object.values(named) : [outputs as SymbolicTensor]
  if (wires.length === 0) throw new QuernError('config', 'a model needs at least one output, received none')
  const order = callsInOrder(wires, inputs)
  const names = nameLayers(order.map((call) => call.layer))
  const run = (c: LayerContext, given: readonly Value[]): readonly Value[] => {
    if (given.length !== inputs.length) {
      const names = specs.map((spec) => `'${spec.name}'`).join(', ')
      throw new QuernError('input', `the model takes ${inputs.length} inputs (${names}), received ${given.length}`)
    }
    const values = new Map<SymbolicTensor, Value>(inputs.map((wire, i) => [wire, given[i]!]))
    for (const call of order) {
      const from = call.inputs.map((wire) => values.get(wire)!)
      values.set(call, c.inner(names.get(call.layer)!, call.layer, from))
    }
    return wires.map((wire) => values.get(wire)!)
  }
  const made = layer({
    kind: 'model',
    arity: 'many',
    config: {
      ...(options.name === undefined ? {} : { name: options.name }),
      layers: [...names].map(([inner, name]) => ({ kind: inner.kind, ...inner.config, name })),
    },
    apply: (c, given) => {
      if (!named) return run(c, given)[0]!
      throw new QuernError('config', `the model has several outputs: ${Object.keys(named).join(', ')}`, {
        hint: 'Train and export it as it is, or make a model of one of them to go on with.',
      })
    },
    ...(named && {
      applyAll: (c, given) => {
        const results = run(c, given)
        return Object.fromEntries(Object.keys(named).map((name, i) => [name, results[i]!]))
      },
    }),
  })
  return Object.assign(made, { inputs: specs }, named && { outputs: Object.keys(named) })
}

function isWire(outputs: SymbolicTensor | Readonly<Record<string, SymbolicTensor>>): outputs is SymbolicTensor {
  return typeof outputs.kind === 'string'
}

type Call = Extract<SymbolicTensor, { kind: 'call' }>

/** Calls that the outputs need, each after those that it reads. No recursion: a network may be deeper than the stack. */
function callsInOrder(outputs: readonly SymbolicTensor[], inputs: readonly SymbolicTensor[]): Call[] {
  const order: Call[] = []
  const done = new Set<SymbolicTensor>()
  const pending: { wire: SymbolicTensor; next: number }[] = outputs.map((wire) => ({ wire, next: 0 })).reverse()
  while (pending.length > 0) {
    const top = pending.at(-1)!
    const { wire } = top
    if (wire.kind === 'input' && !inputs.includes(wire)) {
      throw new QuernError(
        'config',
        `the output needs the input '${wire.spec.name}', which is not among the model's inputs`,
      )
    }
    const from = wire.kind === 'call' ? wire.inputs[top.next++] : undefined
    if (from) {
      if (!done.has(from)) pending.push({ wire: from, next: 0 })
      continue
    }
    pending.pop()
    if (wire.kind === 'call' && !done.has(wire)) order.push(wire)
    done.add(wire)
  }
  const unused = inputs.find((wire) => !done.has(wire))
  if (unused?.kind === 'input') {
    throw new QuernError('config', `the output does not depend on the input '${unused.spec.name}'`, {
      hint: 'Leave the input out, or connect it.',
    })
  }
  return order
}
