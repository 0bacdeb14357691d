/** Residual networks for images (He et al. 2016), with the layers and shapes of torchvision's. */
import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { shapeOf } from '../../graph/graph.ts'
import { type Activation, activationName } from '../activations.ts'
import { conv2d } from '../convolution.ts'
import { dense } from '../dense.ts'
import { type CommonOptions, type Layer, layer } from '../layer.ts'
import { sequential } from '../model.ts'
import { batchNormalization } from '../normalization.ts'
import { positiveInteger } from '../options.ts'
import { globalAveragePooling, maxPooling2d } from '../pooling.ts'
import { activation } from '../regularization.ts'
import { residual } from '../residual.ts'

export interface ResNetOptions extends CommonOptions {
  readonly classes: number
  /** 'small' for images of about 32 pixels: a convolution of 3x3; 'large' for about 224: 7x7 with stride 2, then a pool. Default small */
  readonly stem?: 'small' | 'large'
  /** channels of the first stage, doubled by each of the three others; default 64 */
  readonly filters?: number
  /** of the output; default softmax */
  readonly activation?: Activation
}

/** 18 layers, blocks of two 3x3 convolutions: `[batch, channels, height, width]` -> `[batch, classes]`. 11.2 M parameters for 10 classes. */
export function resnet18(options: ResNetOptions): Layer {
  return resnet('resnet18', [2, 2, 2, 2], options)
}

function resnet(kind: string, depths: readonly number[], options: ResNetOptions): Layer {
  const { stem = 'small', activation: output = 'softmax', ...rest } = options
  const classes = positiveInteger(kind, 'classes', options.classes)
  const filters = positiveInteger(kind, 'filters', options.filters ?? 64)
  if (stem !== 'small' && stem !== 'large') {
    throw new QuernError('config', `${kind}: stem must be 'small' or 'large', received '${stem as string}'`)
  }
  const stages = depths.flatMap((depth, stage) =>
    Array.from({ length: depth }, (_, i) => {
      const strides = stage > 0 && i === 0 ? 2 : 1
      const channels = filters * 2 ** stage
      const shortcut = strides > 1 ? sequential(normalized(channels, 1, strides)) : undefined
      const body = [...normalized(channels, 3, strides), activation('relu'), ...normalized(channels, 3, 1)]
      return residual(sequential(body), {
        ...{ activation: 'relu', name: `stage_${stage + 1}_block_${i + 1}` },
        ...(shortcut ? { shortcut } : {}),
      })
    }),
  )
  const front =
    stem === 'small'
      ? [...normalized(filters, 3, 1), activation('relu')]
      : [...normalized(filters, 7, 2), activation('relu'), maxPooling2d({ poolSize: 3, strides: 2, padding: 1 })]
  const inner = sequential([...front, ...stages, globalAveragePooling(), dense({ units: classes, activation: output })])
  return layer({
    kind,
    config: { ...rest, classes, filters, stem, activation: activationName(output) },
    apply: (c, inputs) => {
      const shape = shapeOf(inputs[0]!)
      if (shape.length === 4) return inner.apply(c, inputs)
      throw new QuernError('input', `${kind} needs [batch, channels, height, width], received ${formatShape(shape)}`)
    },
  })
}

/** Convolution without bias, which the normalisation behind it has. */
function normalized(filters: number, kernelSize: number, strides: number): Layer[] {
  const padding = (kernelSize - 1) / 2
  return [
    conv2d({ filters, kernelSize, strides, padding, useBias: false, kernelInitializer: 'heNormal' }),
    batchNormalization({ momentum: 0.9, epsilon: 1e-5 }),
  ]
}
