/** Convolutions of each channel by itself, and those followed by one that mixes channels (Chollet 2017): far fewer products. */
import { shapeOf } from '../graph/graph.ts'
import { type ConvolutionOptions, conv1d, conv2d } from './convolution.ts'
import { type Layer, layer, type PlainConfig } from './layer.ts'
import { positiveInteger } from './options.ts'

export interface DepthwiseConvolutionOptions extends Omit<ConvolutionOptions, 'filters' | 'groups'> {
  /** outputs of each channel; default 1 */
  readonly depthMultiplier?: number
}

export interface SeparableConvolutionOptions extends Omit<ConvolutionOptions, 'groups'> {
  /** outputs of each channel before channels are mixed; default 1 */
  readonly depthMultiplier?: number
}

type Convolution = typeof conv1d

/** Each channel by kernels of its own: `[batch, channels, length]` -> `[batch, channels * depthMultiplier, length']`. */
export function depthwiseConv1d(options: DepthwiseConvolutionOptions): Layer {
  return depthwise('depthwiseConv1d', conv1d, options)
}

/** Each channel by kernels of its own: `[batch, channels, height, width]` -> `[batch, channels * depthMultiplier, height', width']`. */
export function depthwiseConv2d(options: DepthwiseConvolutionOptions): Layer {
  return depthwise('depthwiseConv2d', conv2d, options)
}

/** `depthwise/kernel`, then a convolution of one element, `pointwise/...`: `[batch, channels, length]` -> `[batch, filters, length']`. */
export function separableConv1d(options: SeparableConvolutionOptions): Layer {
  return separable('separableConv1d', conv1d, depthwiseConv1d, options)
}

/** As separableConv1d, for `[batch, channels, height, width]`. */
export function separableConv2d(options: SeparableConvolutionOptions): Layer {
  return separable('separableConv2d', conv2d, depthwiseConv2d, options)
}

function depthwise(kind: string, convolution: Convolution, options: DepthwiseConvolutionOptions): Layer {
  const { depthMultiplier = 1, ...rest } = options
  positiveInteger(kind, 'depthMultiplier', depthMultiplier)
  return layer({
    kind,
    config: { ...configOf(convolution, rest), depthMultiplier },
    apply: (c, [x]) => {
      const channels = shapeOf(x!)[1]
      // A convolution says what is wrong with an input that has no channels.
      const count = typeof channels === 'number' ? channels : 1
      return convolution({ ...rest, filters: count * depthMultiplier, groups: count }).apply(c, [x!])
    },
  })
}

function separable(
  kind: string,
  convolution: Convolution,
  first: (options: DepthwiseConvolutionOptions) => Layer,
  options: SeparableConvolutionOptions,
): Layer {
  const { depthMultiplier = 1, filters, activation, useBias, biasInitializer, ...rest } = options
  positiveInteger(kind, 'depthMultiplier', depthMultiplier)
  positiveInteger(kind, 'filters', filters)
  const { kernelInitializer, kernelRegularizer } = options
  const mixing = convolution({
    ...{ filters, kernelSize: 1 },
    ...defined({ activation, useBias, biasInitializer, kernelInitializer, kernelRegularizer }),
  })
  const apart = first({ ...rest, depthMultiplier, useBias: false })
  const { activation: name, useBias: hasBias, biasInitializer: bias } = mixing.config
  return layer({
    kind,
    config: {
      ...configOf(convolution, rest),
      ...{ filters, depthMultiplier, activation: name, useBias: hasBias, biasInitializer: bias },
    },
    apply: (c, [x]) => c.inner('pointwise', mixing, [c.inner('depthwise', apart, [x!])]),
  })
}

/** The options with every default, checked. */
function configOf(convolution: Convolution, options: Omit<ConvolutionOptions, 'filters' | 'groups'>): PlainConfig {
  const { filters: _, groups: __, ...config } = convolution({ ...options, filters: 1 }).config
  return config
}

/** Without the options that were left out. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never
}
