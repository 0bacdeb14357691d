/** Pooling: the largest or the mean element of each window, per channel. */
import { shapeOf } from '../graph/graph.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'
import { type Padding, paddingAttributes, perAxis } from './options.ts'

export interface PoolingOptions extends CommonOptions {
  /** default 2 */
  readonly poolSize?: number | readonly number[]
  /** default: the pool size, so that windows do not overlap */
  readonly strides?: number | readonly number[]
  readonly padding?: Padding
}

function pooling(kind: string, op: string, axes: number, options: PoolingOptions): Layer {
  const { poolSize = 2, padding = 'valid' } = options
  const window = perAxis(kind, 'poolSize', poolSize, axes)
  const strides = perAxis(kind, 'strides', options.strides ?? poolSize, axes)
  const attributes = { kernel_shape: window, strides, ...paddingAttributes(kind, padding, axes) }
  return layer({
    kind,
    config: { ...options, poolSize: window, strides, padding },
    apply: (c, [x]) => c.g.op(op, [x], attributes),
  })
}

/** `[batch, channels, length]` -> `[batch, channels, length']` */
export function maxPooling1d(options: PoolingOptions = {}): Layer {
  return pooling('maxPooling1d', 'MaxPool', 1, options)
}

/** `[batch, channels, height, width]` -> `[batch, channels, height', width']` */
export function maxPooling2d(options: PoolingOptions = {}): Layer {
  return pooling('maxPooling2d', 'MaxPool', 2, options)
}

/** `[batch, channels, depth, height, width]` -> `[batch, channels, depth', height', width']` */
export function maxPooling3d(options: PoolingOptions = {}): Layer {
  return pooling('maxPooling3d', 'MaxPool', 3, options)
}

/** `[batch, channels, length]` -> `[batch, channels, length']` */
export function averagePooling1d(options: PoolingOptions = {}): Layer {
  return pooling('averagePooling1d', 'AveragePool', 1, options)
}

/** `[batch, channels, height, width]` -> `[batch, channels, height', width']` */
export function averagePooling2d(options: PoolingOptions = {}): Layer {
  return pooling('averagePooling2d', 'AveragePool', 2, options)
}

/** `[batch, channels, depth, height, width]` -> `[batch, channels, depth', height', width']` */
export function averagePooling3d(options: PoolingOptions = {}): Layer {
  return pooling('averagePooling3d', 'AveragePool', 3, options)
}

export interface GlobalPoolingOptions extends CommonOptions {
  /** keeps the pooled axes with size 1; default false */
  readonly keepDims?: boolean
}

function globalPooling(kind: string, op: string, options: GlobalPoolingOptions): Layer {
  return layer({
    kind,
    config: { ...options },
    apply: (c, [x]) => {
      const pooled = c.g.op(op, [x])
      if (options.keepDims) return pooled
      return c.g.squeeze(
        pooled,
        Array.from({ length: shapeOf(x!).length - 2 }, (_, i) => i + 2),
      )
    },
  })
}

/** Mean over all positions: `[batch, channels, ...]` -> `[batch, channels]`. */
export function globalAveragePooling(options: GlobalPoolingOptions = {}): Layer {
  return globalPooling('globalAveragePooling', 'GlobalAveragePool', options)
}

/** Largest over all positions: `[batch, channels, ...]` -> `[batch, channels]`. */
export function globalMaxPooling(options: GlobalPoolingOptions = {}): Layer {
  return globalPooling('globalMaxPooling', 'GlobalMaxPool', options)
}
