/** Layers that enlarge an image, a sequence or a volume without weights. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { float32 } from '../core/tensor.ts'
import { shapeOf } from '../graph/graph.ts'
import { type CommonOptions, type Layer, layer } from './layer.ts'
import { perAxis, positiveInteger } from './options.ts'

/** 'bilinear' and 'bicubic' are other names for 'linear' and 'cubic'. */
export type Interpolation = 'nearest' | 'linear' | 'bilinear' | 'cubic' | 'bicubic'

export interface UpSamplingOptions extends CommonOptions {
  /** how many times as large each axis becomes; default 2 */
  readonly size?: number | readonly number[]
  /** default 'nearest', which repeats elements; the others take the centres of pixels as their places (not the corners), cubic with a = -0.75 */
  readonly interpolation?: Interpolation
}

const modes: Readonly<Record<Interpolation, 'nearest' | 'linear' | 'cubic'>> = {
  nearest: 'nearest',
  linear: 'linear',
  bilinear: 'linear',
  cubic: 'cubic',
  bicubic: 'cubic',
}

/** `[batch, channels, length]` -> `[batch, channels, size * length]` */
export function upSampling1d(options: UpSamplingOptions = {}): Layer {
  return upSampling('upSampling1d', 1, options)
}

/** `[batch, channels, height, width]` -> `[batch, channels, size * height, size * width]` */
export function upSampling2d(options: UpSamplingOptions = {}): Layer {
  return upSampling('upSampling2d', 2, options)
}

/** `[batch, channels, depth, height, width]` -> the same, each of the last three larger by `size`; nearest or linear. */
export function upSampling3d(options: UpSamplingOptions = {}): Layer {
  return upSampling('upSampling3d', 3, options)
}

function upSampling(kind: string, axes: number, options: UpSamplingOptions): Layer {
  const { interpolation = 'nearest' } = options
  const size = perAxis(kind, 'size', options.size ?? 2, axes)
  const mode = Object.hasOwn(modes, interpolation) ? modes[interpolation] : undefined
  const known = axes === 2 ? ['nearest', 'linear', 'cubic'] : ['nearest', 'linear']
  if (!mode || !known.includes(mode)) {
    const names = known.map((name) => `'${name}'`).join(', ')
    throw new QuernError('config', `${kind}: interpolation must be one of ${names}, received '${interpolation}'`)
  }
  const attributes = {
    mode,
    ...(mode === 'nearest' ? { coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' } : {}),
  }
  return layer({
    kind,
    config: { ...options, size, interpolation },
    apply: ({ g }, [x]) => {
      const shape = shapeOf(x!)
      if (shape.length !== axes + 2) {
        const wanted = `rank ${axes + 2}, [batch, channels, ...]`
        throw new QuernError('input', `${kind} needs an input of ${wanted}, received ${formatShape(shape)}`)
      }
      const scales = g.constant(float32([axes + 2], [1, 1, ...size]), 'scales')
      return g.op('Resize', [x, undefined, scales], attributes)
    },
  })
}

/**
 * Channels become pixels (Shi et al. 2016): `[batch, scale^2 * channels, height, width]` -> `[batch, channels, scale * height, scale * width]`, in the
 * order of PyTorch. Errors: `input` when scale^2 does not divide the channels.
 */
export function pixelShuffle(options: CommonOptions & { scale?: number } = {}): Layer {
  const kind = 'pixelShuffle'
  const scale = positiveInteger(kind, 'scale', options.scale ?? 2)
  return layer({
    kind,
    config: { ...options, scale },
    apply: ({ g }, [x]) => {
      const shape = shapeOf(x!)
      const channels = shape[1]
      if (shape.length !== 4 || typeof channels !== 'number' || channels % scale ** 2 !== 0) {
        const wanted = `[batch, a multiple of ${scale ** 2} channels, height, width]`
        throw new QuernError('input', `${kind} needs ${wanted}, received ${formatShape(shape)}`)
      }
      return g.op('DepthToSpace', [x], { blocksize: scale, mode: 'CRD' })
    },
  })
}
