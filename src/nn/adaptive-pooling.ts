/**
 * Pools with a given size of output. Output i of o covers the inputs from floor(i n / o) to ceil((i + 1) n / o), exclusive, as in PyTorch: the windows
 * are of like size, and overlap where o does not divide n.
 */
import { QuernError } from '../core/errors.ts'
import { formatShape, isStatic, type Shape } from '../core/shape.ts'
import { float32, int64 } from '../core/tensor.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'
import { perAxis } from './options.ts'

export interface AdaptivePoolingOptions extends CommonOptions {
  /** one number, or one for each axis behind the channels */
  readonly outputSize: number | readonly number[]
}

/** Means: `[batch, channels, ...]` -> `[batch, channels, ...outputSize]`. */
export function adaptiveAveragePooling(options: AdaptivePoolingOptions): Layer {
  return adaptive('adaptiveAveragePooling', options, 'AveragePool', (g, x, axis, outputs) => {
    const inputs = shapeOf(x)[axis] as number
    const matrix = new Float32Array(inputs * outputs)
    for (let o = 0; o < outputs; o++) {
      const [from, to] = bin(o, outputs, inputs)
      for (let i = from; i < to; i++) matrix[i * outputs + o] = 1 / (to - from)
    }
    const last = shapeOf(x).length - 1
    const order = shapeOf(x).map((_, i) => (i === axis ? last : i === last ? axis : i))
    const product = g.matMul(g.transpose(x, order), g.constant(float32([inputs, outputs], matrix), 'shares'))
    return g.transpose(product, order)
  })
}

/** Largest elements: `[batch, channels, ...]` -> `[batch, channels, ...outputSize]`. */
export function adaptiveMaxPooling(options: AdaptivePoolingOptions): Layer {
  return adaptive('adaptiveMaxPooling', options, 'MaxPool', (g, x, axis, outputs) => {
    const shape = shapeOf(x)
    const inputs = shape[axis] as number
    const bins = Array.from({ length: outputs }, (_, o) => bin(o, outputs, inputs))
    const longest = Math.max(...bins.map(([from, to]) => to - from))
    // Every window as long as the longest: a shorter one repeats its last element, which changes no maximum.
    const indices = bins.flatMap(([from, to]) => Array.from({ length: longest }, (_, i) => Math.min(from + i, to - 1)))
    const windows = g.op('Gather', [x, g.constant(int64([indices.length], indices), 'windows')], { axis })
    const kernel = shape.slice(2).map((_, i) => (i + 2 === axis ? longest : 1))
    return g.op('MaxPool', [windows], { kernel_shape: kernel, strides: kernel })
  })
}

function bin(output: number, outputs: number, inputs: number): [from: number, to: number] {
  return [Math.floor((output * inputs) / outputs), Math.ceil(((output + 1) * inputs) / outputs)]
}

function adaptive(
  kind: string,
  options: AdaptivePoolingOptions,
  op: 'AveragePool' | 'MaxPool',
  alongAxis: (g: Emitter, x: Value, axis: number, outputs: number) => Value,
): Layer {
  const { outputSize } = options
  perAxis(kind, 'outputSize', outputSize, typeof outputSize === 'number' ? 1 : outputSize.length)
  return layer({
    kind,
    config: { ...options },
    apply: ({ g }, [x]) => {
      const sizes: Shape = shapeOf(x!).slice(2)
      if (sizes.length === 0 || !isStatic(sizes)) {
        throw new QuernError(
          'input',
          `${kind} needs [batch, channels, size, ...], received ${formatShape(shapeOf(x!))}`,
        )
      }
      const outputs = perAxis(kind, 'outputSize', outputSize, sizes.length)
      if (outputs.every((count, i) => sizes[i]! % count === 0)) {
        const window = sizes.map((size, i) => size / outputs[i]!)
        return g.op(op, [x], { kernel_shape: window, strides: window })
      }
      return outputs.reduce((y, count, i) => (count === sizes[i] ? y : alongAxis(g, y, i + 2, count)), x!)
    },
  })
}
