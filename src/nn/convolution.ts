/**
 * Convolutions over one to three axes. Sequences are `[batch, channels, length]`, images `[batch, channels, height, width]`, volumes
 * `[batch, channels, depth, height, width]`.
 */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { type Activation, activate, activationName } from './activations.ts'
import type { Initializer } from './initializers.ts'
import { type CommonOptions, type Layer, layer, type Regularizer } from './layer.ts'
import { type Padding, paddingAttributes, perAxis, positiveInteger, reachOf } from './options.ts'

export interface ConvolutionOptions extends CommonOptions {
  /** channels that come out */
  readonly filters: number
  readonly kernelSize: number | readonly number[]
  readonly strides?: number | readonly number[]
  /** default 'valid'; 'causal', for conv1d: an output sees its own place and those before it */
  readonly padding?: Padding | 'causal'
  readonly dilationRate?: number | readonly number[]
  /** channels are split into groups that do not see each other */
  readonly groups?: number
  readonly activation?: Activation
  readonly useBias?: boolean
  readonly kernelInitializer?: Initializer
  readonly biasInitializer?: Initializer
  readonly kernelRegularizer?: Regularizer
}

/** Convolution over a sequence: `[batch, channels, length]` -> `[batch, filters, length']`. */
export function conv1d(options: ConvolutionOptions): Layer {
  return convolution('conv1d', 1, options)
}

/** Convolution over an image: `[batch, channels, height, width]` -> `[batch, filters, height', width']`. */
export function conv2d(options: ConvolutionOptions): Layer {
  return convolution('conv2d', 2, options)
}

/** Convolution over a volume: `[batch, channels, depth, height, width]` -> `[batch, filters, depth', height', width']`. */
export function conv3d(options: ConvolutionOptions): Layer {
  return convolution('conv3d', 3, options)
}

function convolution(kind: string, axes: number, options: ConvolutionOptions): Layer {
  const { strides = 1, padding = 'valid', dilationRate = 1, groups = 1, activation, useBias = true } = options
  const { kernelInitializer = 'glorotUniform', biasInitializer = 'zeros', kernelRegularizer: regularizer } = options
  const filters = positiveInteger(kind, 'filters', options.filters)
  const window = perAxis(kind, 'kernelSize', options.kernelSize, axes)
  const dilations = perAxis(kind, 'dilationRate', dilationRate, axes)
  const attributes = {
    kernel_shape: window,
    strides: perAxis(kind, 'strides', strides, axes),
    dilations,
    group: positiveInteger(kind, 'groups', groups),
    ...paddingAttributes(kind, padding, axes, reachOf(window, dilations)),
  }
  return layer({
    kind,
    config: {
      ...options,
      ...{
        filters,
        kernelSize: window,
        strides: attributes.strides,
        padding,
        dilationRate: dilations,
        groups,
      },
      ...{ activation: activationName(activation), useBias, kernelInitializer, biasInitializer },
    },
    apply: (c, [x]) => {
      const shape = shapeOf(x!)
      const channels = shape[1]
      if (shape.length !== axes + 2 || typeof channels !== 'number') {
        throw new QuernError(
          'input',
          `${kind} needs an input of rank ${axes + 2}, [batch, channels, ...], received ${formatShape(shape)}`,
        )
      }
      if (channels % groups !== 0 || filters % groups !== 0) {
        throw new QuernError(
          'config',
          `${kind}: groups (${groups}) must divide the ${channels} channels and the ${filters} filters`,
        )
      }
      const kernel = c.parameter('kernel', {
        shape: [filters, channels / groups, ...window],
        initializer: kernelInitializer,
        layout: 'convolution',
        regularizer,
      })
      const bias = useBias ? c.parameter('bias', { shape: [filters], initializer: biasInitializer }) : undefined
      return activate(c.g, c.g.op('Conv', [x, kernel, bias], attributes), activation)
    },
  })
}
