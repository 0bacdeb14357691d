/** Transposed convolutions, the gradient of a convolution with respect to its input as a layer (Dumoulin & Visin 2016): they enlarge. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { activate, activationName } from './activations.ts'
import type { ConvolutionOptions } from './convolution.ts'
import { type Layer, layer } from './layer.ts'
import { type Padding, paddingAttributes, perAxis, positiveInteger } from './options.ts'

export interface TransposedConvolutionOptions extends Omit<ConvolutionOptions, 'padding'> {
  /** 'same' gives size * stride; 'valid', the default, size * stride + kernel - stride; numbers are taken off both ends, as in PyTorch */
  readonly padding?: Padding
  /** elements more at the end of each axis; default 0 */
  readonly outputPadding?: number | readonly number[]
}

/** `[batch, channels, length]` -> `[batch, filters, length']` */
export function conv1dTranspose(options: TransposedConvolutionOptions): Layer {
  return transposed('conv1dTranspose', 1, options)
}

/** `[batch, channels, height, width]` -> `[batch, filters, height', width']` */
export function conv2dTranspose(options: TransposedConvolutionOptions): Layer {
  return transposed('conv2dTranspose', 2, options)
}

/** `[batch, channels, depth, height, width]` -> `[batch, filters, depth', height', width']` */
export function conv3dTranspose(options: TransposedConvolutionOptions): Layer {
  return transposed('conv3dTranspose', 3, options)
}

/** The kernel is stored as ONNX and PyTorch take it, `[channels, filters / groups, ...window]`. */
function transposed(kind: string, axes: number, options: TransposedConvolutionOptions): Layer {
  const { padding = 'valid', outputPadding = 0, activation, useBias = true } = options
  const { kernelInitializer = 'glorotUniform', biasInitializer = 'zeros', kernelRegularizer: regularizer } = options
  const filters = positiveInteger(kind, 'filters', options.filters)
  const groups = positiveInteger(kind, 'groups', options.groups ?? 1)
  const window = perAxis(kind, 'kernelSize', options.kernelSize, axes)
  const strides = perAxis(kind, 'strides', options.strides ?? 1, axes)
  const dilations = perAxis(kind, 'dilationRate', options.dilationRate ?? 1, axes)
  const extra = perAxis(kind, 'outputPadding', outputPadding, axes, 0)
  if (extra.some((size, i) => size >= Math.max(strides[i]!, dilations[i]!))) {
    const limits = `strides ${formatShape(strides)} or dilationRate ${formatShape(dilations)}`
    throw new QuernError('config', `${kind}: outputPadding ${formatShape(extra)} must be below ${limits}`)
  }
  const attributes = {
    ...{ kernel_shape: window, strides, dilations, group: groups, output_padding: extra },
    ...paddingAttributes(kind, padding, axes),
  }
  return layer({
    kind,
    config: {
      ...options,
      ...{ filters, kernelSize: window, strides, padding, outputPadding: extra, dilationRate: dilations, groups },
      ...{ activation: activationName(activation), useBias, kernelInitializer, biasInitializer },
    },
    apply: (c, [x]) => {
      const shape = shapeOf(x!)
      const channels = shape[1]
      if (shape.length !== axes + 2 || typeof channels !== 'number') {
        const wanted = `rank ${axes + 2}, [batch, channels, ...]`
        throw new QuernError('input', `${kind} needs an input of ${wanted}, received ${formatShape(shape)}`)
      }
      if (channels % groups !== 0 || filters % groups !== 0) {
        const both = `the ${channels} channels and the ${filters} filters`
        throw new QuernError('config', `${kind}: groups (${groups}) must divide ${both}`)
      }
      const kernel = c.parameter('kernel', {
        shape: [channels, filters / groups, ...window],
        initializer: kernelInitializer,
        layout: 'transposedConvolution',
        regularizer,
      })
      const bias = useBias ? c.parameter('bias', { shape: [filters], initializer: biasInitializer }) : undefined
      return activate(c.g, c.g.op('ConvTranspose', [x, kernel, bias], attributes), activation)
    },
  })
}
