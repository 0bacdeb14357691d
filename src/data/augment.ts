/**
 * Random changes to uint8 pictures `[channels, height, width]`, described by a plain record. Flips, shifts, crops
 * and rotations of one picture become ONE inverse affine map, so its pixels are sampled once however many of them
 * are on; cutout is applied after it.
 */
import { QuernError, suggestion } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { StaticShape } from '../core/shape.ts'
import { type Affine, applyAffine, identity, isIdentity, reset, scratchSize } from './affine.ts'

export interface AugmentConfig {
  /** probability of mirroring left and right; true means 0.5 */
  readonly flipHorizontal?: boolean | number
  /** probability of mirroring top and bottom; true means 0.5 */
  readonly flipVertical?: boolean | number
  /** largest shift as a share of height and width, or [of height, of width]; whole pixels are drawn */
  readonly shift?: number | readonly [height: number, width: number]
  /** largest angle of rotation about the centre, in degrees, either way; bilinear */
  readonly rotate?: number
  /** pixels of padding round the picture before a random crop of the original size */
  readonly crop?: number
  /** side of a square that is blanked at a random place, as a share of the shorter side (DeVries and Taylor 2017) */
  readonly cutout?: number
  /** value of the pixels that nothing covers, 0 to 255; default 0 */
  readonly fill?: number
}

/** Changes the picture that begins at `offset` of `pixels`, in place. */
export type Augment = (pixels: Uint8Array, offset: number, shape: StaticShape, random: Random) => void

type Geometry = (map: Affine, random: Random, height: number, width: number) => void

function between(name: string, value: unknown, low: number, high: number): number {
  if (typeof value === 'number' && value >= low && value <= high) return value
  throw new QuernError(
    'config',
    `augment.${name} must be a number from ${low} to ${high}, received ${JSON.stringify(value)}`,
  )
}

const probability = (name: string, value: unknown): number =>
  value === true ? 0.5 : value === false ? 0 : between(name, value, 0, 1)

/** A whole number from -reach to reach, each as likely. */
const step = (random: Random, reach: number): number => random.integer(2 * reach + 1) - reach

/** How each key of the config changes the map; applied in this order, whatever the order of the config's keys. */
const geometries: Readonly<Record<string, (value: unknown) => Geometry>> = {
  rotate: (value) => {
    const most = (between('rotate', value, 0, 180) * Math.PI) / 180
    return (map, random) => {
      const angle = (2 * random.uniform() - 1) * most
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
      ;[map.yy, map.yx, map.xy, map.xx] = [cos, -sin, sin, cos]
    }
  },
  flipHorizontal: (value) => {
    const p = probability('flipHorizontal', value)
    return (map, random) => {
      if (random.uniform() >= p) return
      map.yx = -map.yx
      map.xx = -map.xx
    }
  },
  flipVertical: (value) => {
    const p = probability('flipVertical', value)
    return (map, random) => {
      if (random.uniform() >= p) return
      map.yy = -map.yy
      map.xy = -map.xy
    }
  },
  shift: (value) => {
    const [h, w] = Array.isArray(value) && value.length === 2 ? value : [value, value]
    const reachY = between('shift', h, 0, 1)
    const reachX = between('shift', w, 0, 1)
    return (map, random, height, width) => {
      map.shiftY += step(random, Math.round(reachY * height))
      map.shiftX += step(random, Math.round(reachX * width))
    }
  },
  crop: (value) => {
    const padding = between('crop', value, 0, 4096)
    if (!Number.isInteger(padding)) throw new QuernError('config', `augment.crop counts pixels, received ${padding}`)
    return (map, random) => {
      map.shiftY += step(random, padding)
      map.shiftX += step(random, padding)
    }
  },
}

const keys = [...Object.keys(geometries), 'cutout', 'fill']

/** The augmentation that a config describes; an error for an unknown key or a value out of range. */
export function createAugment(config: AugmentConfig): Augment {
  const given = Object.entries(config).filter(([, value]) => value !== undefined)
  for (const [key] of given) {
    if (!keys.includes(key)) throw new QuernError('config', `unknown augmentation '${key}'. ${suggestion(key, keys)}`)
  }
  const values = new Map<string, unknown>(given)
  const drawn = Object.entries(geometries).flatMap(([key, create]) =>
    values.has(key) ? [create(values.get(key))] : [],
  )
  const fill = Math.round(between('fill', config.fill ?? 0, 0, 255))
  const cutout = between('cutout', config.cutout ?? 0, 0, 1)
  const map = identity()
  let scratch = new Uint8Array(0)
  return (pixels, offset, shape, random) => {
    const [channels, height, width] = shape as [number, number, number]
    reset(map)
    for (let i = 0; i < drawn.length; i++) drawn[i]!(map, random, height, width)
    if (!isIdentity(map)) {
      if (scratch.length < scratchSize(height, width)) scratch = new Uint8Array(scratchSize(height, width))
      applyAffine(map, pixels, offset, scratch, channels, height, width, fill)
    }
    if (cutout > 0) blankSquare(pixels, offset, channels, height, width, cutout, fill, random)
  }
}

/** Blanks a square whose centre is anywhere in the picture, so that it may be cut by the border. */
function blankSquare(
  pixels: Uint8Array,
  offset: number,
  channels: number,
  height: number,
  width: number,
  share: number,
  fill: number,
  random: Random,
): void {
  const side = Math.max(1, Math.round(share * Math.min(height, width)))
  const top = random.integer(height) - (side >> 1)
  const left = random.integer(width) - (side >> 1)
  const [x0, x1] = [Math.max(0, left), Math.min(width, left + side)]
  for (let c = 0; c < channels; c++) {
    for (let y = Math.max(0, top); y < Math.min(height, top + side); y++) {
      const row = offset + (c * height + y) * width
      pixels.fill(fill, row + x0, row + x1)
    }
  }
}
