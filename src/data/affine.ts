/**
 * Inverse affine maps of pictures about their centre: the pixel at (y, x) of the result is taken from
 *
 *     sourceY = centreY + yy * dy + yx * dx      dy = y - centreY - shiftY
 *     sourceX = centreX + xy * dy + xx * dx      dx = x - centreX - shiftX
 *
 * with centre = (size - 1) / 2, bilinearly when the source lies between pixels.
 */
export interface Affine {
  yy: number
  yx: number
  xy: number
  xx: number
  /** pixels by which the result is moved down and to the right */
  shiftY: number
  shiftX: number
}

export function identity(): Affine {
  return { yy: 1, yx: 0, xy: 0, xx: 1, shiftY: 0, shiftX: 0 }
}

export function isIdentity(map: Affine): boolean {
  return map.yy === 1 && map.yx === 0 && map.xy === 0 && map.xx === 1 && map.shiftY === 0 && map.shiftX === 0
}

/** Applies the map to the picture `[channels, height, width]` at `offset` of `pixels`, in place; `scratch` holds a copy. */
export function applyAffine(
  map: Affine,
  pixels: Uint8Array,
  offset: number,
  scratch: Uint8Array,
  channels: number,
  height: number,
  width: number,
  fill: number,
): void {
  const plane = height * width
  for (let i = 0; i < channels * plane; i++) scratch[i] = pixels[offset + i]!
  // Flips and whole-pixel shifts move pixels without mixing them; only a rotation needs interpolation.
  const sample = map.yx === 0 && map.xy === 0 ? movePlane : bilinearPlane
  for (let c = 0; c < channels; c++) sample(map, scratch, c * plane, pixels, offset + c * plane, height, width, fill)
}

type PlaneSampler = (
  map: Affine,
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  height: number,
  width: number,
  fill: number,
) => void

/** Maps with yy and xx of 1 or -1 and no rotation. */
const movePlane: PlaneSampler = (map, from, fromOffset, to, toOffset, height, width, fill) => {
  const startX = map.xx > 0 ? -map.shiftX : width - 1 + map.shiftX
  let t = toOffset
  for (let y = 0; y < height; y++) {
    const sy = map.yy > 0 ? y - map.shiftY : height - 1 - y + map.shiftY
    if (sy < 0 || sy >= height) {
      to.fill(fill, t, t + width)
      t += width
      continue
    }
    const row = fromOffset + sy * width
    let sx = startX
    for (let x = 0; x < width; x++, sx += map.xx) to[t++] = sx >= 0 && sx < width ? from[row + sx]! : fill
  }
}

const bilinearPlane: PlaneSampler = (map, from, fromOffset, to, toOffset, height, width, fill) => {
  const centreY = (height - 1) / 2
  const centreX = (width - 1) / 2
  const { yy, yx, xy, xx } = map
  const dx0 = -centreX - map.shiftX
  let t = toOffset
  for (let y = 0; y < height; y++) {
    const dy = y - centreY - map.shiftY
    let sy = centreY + yy * dy + yx * dx0
    let sx = centreX + xy * dy + xx * dx0
    for (let x = 0; x < width; x++, sy += yx, sx += xx) {
      if (sy <= -1 || sx <= -1 || sy >= height || sx >= width) {
        to[t++] = fill
        continue
      }
      const y0 = Math.floor(sy)
      const x0 = Math.floor(sx)
      const fy = sy - y0
      const fx = sx - x0
      const at = fromOffset + y0 * width + x0
      const top = y0 >= 0
      const bottom = y0 + 1 < height
      const left = x0 >= 0
      const right = x0 + 1 < width
      const a = top && left ? from[at]! : fill
      const b = top && right ? from[at + 1]! : fill
      const c = bottom && left ? from[at + width]! : fill
      const d = bottom && right ? from[at + width + 1]! : fill
      const upper = a + (b - a) * fx
      to[t++] = (upper + (c + (d - c) * fx - upper) * fy + 0.5) | 0
    }
  }
}
