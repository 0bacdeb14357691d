/** Layers that change only the shape, and those that join several inputs. */
import { QuernError } from '../core/errors.ts'
import { formatShape, isStatic, normalizeAxis, sizeOf } from '../core/shape.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'

/** `[batch, ...]` -> `[batch, product of the rest]` */
export function flatten(options: CommonOptions = {}): Layer {
  return layer({ kind: 'flatten', config: { ...options }, apply: (c, [x]) => c.g.op('Flatten', [x], { axis: 1 }) })
}

/** `[batch, ...]` -> `[batch, ...targetShape]`; one entry may be -1. */
export function reshape(options: CommonOptions & { targetShape: readonly number[] }): Layer {
  const { targetShape } = options
  if (targetShape.filter((dim) => dim === -1).length > 1) {
    throw new QuernError('config', `reshape: targetShape may hold -1 once, received ${formatShape(targetShape)}`)
  }
  return layer({
    kind: 'reshape',
    config: { ...options },
    apply: (c, [x]) => {
      const [batch = 1, ...example] = shapeOf(x!)
      if (!isStatic(example))
        throw new QuernError('input', `reshape needs static dimensions, received ${formatShape(example)}`)
      const known = sizeOf(targetShape.filter((dim) => dim !== -1))
      const target = targetShape.map((dim) => (dim === -1 ? sizeOf(example) / known : dim))
      if (sizeOf(target) !== sizeOf(example) || target.some((dim) => !Number.isInteger(dim))) {
        throw new QuernError('input', `cannot reshape ${formatShape(example)} to ${formatShape(targetShape)}`)
      }
      return c.g.reshape(x!, [batch, ...target])
    },
  })
}

/** Reorders the axes of an example, counted from 1 as in Keras: `dims: [2, 1]` swaps the first two. */
export function permute(options: CommonOptions & { dims: readonly number[] }): Layer {
  const { dims } = options
  if (dims.some((_, i) => !dims.includes(i + 1))) {
    throw new QuernError('config', `permute: dims must name every axis from 1 once, received ${formatShape(dims)}`)
  }
  return layer({
    kind: 'permute',
    config: { ...options },
    apply: (c, [x]) => {
      const rank = shapeOf(x!).length
      if (rank === dims.length + 1) return c.g.transpose(x!, [0, ...dims])
      throw new QuernError(
        'input',
        `permute: dims ${formatShape(dims)} name ${dims.length} axes, an example has ${rank - 1}`,
      )
    },
  })
}

function merging(kind: string, options: CommonOptions, merge: (g: Emitter, values: readonly Value[]) => Value): Layer {
  return layer({
    kind,
    config: { ...options },
    arity: 'many',
    keepsMask: 'all',
    apply: (c, inputs) => {
      if (inputs.length < 2)
        throw new QuernError('config', `${kind} joins two or more inputs, received ${inputs.length}`)
      return merge(c.g, inputs)
    },
  })
}

/** Element-wise sum of its inputs. */
export function add(options: CommonOptions = {}): Layer {
  return merging('add', options, (g, values) => values.reduce((a, b) => g.add(a, b)))
}

/** Element-wise product of its inputs. */
export function multiply(options: CommonOptions = {}): Layer {
  return merging('multiply', options, (g, values) => values.reduce((a, b) => g.mul(a, b)))
}

/** Its inputs one behind the other along an axis (default the last; axis 0 is the batch). */
export function concatenate(options: CommonOptions & { axis?: number } = {}): Layer {
  const { axis = -1 } = options
  return merging('concatenate', options, (g, values) =>
    g.concat(values, normalizeAxis(axis, shapeOf(values[0]!).length)),
  )
}
