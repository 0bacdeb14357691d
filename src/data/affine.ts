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

export function reset(map: Affine): void {
  map.yy = map.xx = 1
  map.yx = map.xy = map.shiftY = map.shiftX = 0
}

export function isIdentity(map: Affine): boolean {
  return isShift(map) && map.shiftY === 0 && map.shiftX === 0
}

/** Elements of scratch memory that a plane needs: the plane with a border of one pixel. */
export function scratchSize(height: number, width: number): number {
  return (height + 2) * (width + 2)
}

/**
 * Applies the map to the picture `[channels, height, width]` at `offset` of `pixels`, in place. Pixels that nothing
 * covers become `fill`. Sides up to 16384 pixels (16.16 fixed point).
 */
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
  for (let c = 0; c < channels; c++) {
    const plane = offset + c * height * width
    if (isShift(map)) {
      shiftPlane(map, pixels, plane, height, width, fill)
      continue
    }
    copyWithBorder(pixels, plane, scratch, height, width, fill)
    // Flips and whole-pixel shifts move pixels without mixing them; only a rotation needs interpolation.
    if (map.yx === 0 && map.xy === 0) movePlane(map, scratch, pixels, plane, height, width, fill)
    else bilinearPlane(map, scratch, pixels, plane, height, width, fill)
  }
}

function isShift(map: Affine): boolean {
  return map.yy === 1 && map.yx === 0 && map.xy === 0 && map.xx === 1
}

/** One block move within the plane; what it carries over the left or right border is overwritten with `fill`. */
function shiftPlane(map: Affine, pixels: Uint8Array, start: number, height: number, width: number, fill: number): void {
  const { shiftY, shiftX } = map
  const end = start + height * width
  if (Math.abs(shiftY) >= height || Math.abs(shiftX) >= width) {
    pixels.fill(fill, start, end)
    return
  }
  const delta = shiftY * width + shiftX
  if (delta > 0) pixels.copyWithin(start + delta, start, end - delta)
  else pixels.copyWithin(start, start - delta, end)
  if (shiftY > 0) pixels.fill(fill, start, start + shiftY * width)
  if (shiftY < 0) pixels.fill(fill, end + shiftY * width, end)
  // Rows of a few uncovered pixels: a loop is faster than a call of fill for each.
  const [x0, x1] = shiftX > 0 ? [0, shiftX] : [width + shiftX, width]
  for (let row = start; row < end; row += width) for (let x = x0; x < x1; x++) pixels[row + x] = fill
}

/** The plane in `scratch`, surrounded by `fill`, so that sampling between an edge pixel and the outside needs no test. */
function copyWithBorder(
  pixels: Uint8Array,
  offset: number,
  scratch: Uint8Array,
  height: number,
  width: number,
  fill: number,
): void {
  const stride = width + 2
  scratch.fill(fill, 0, stride + 1)
  let from = offset
  for (let y = 1; y <= height; y++) {
    let to = y * stride + 1
    for (const end = to + width; to < end; ) scratch[to++] = pixels[from++]!
    scratch[to] = fill
    scratch[to + 1] = fill
  }
  scratch.fill(fill, (height + 1) * stride, (height + 2) * stride)
}

/** Maps with yy and xx of 1 or -1 and no rotation. */
function movePlane(
  map: Affine,
  from: Uint8Array,
  to: Uint8Array,
  offset: number,
  height: number,
  width: number,
  fill: number,
): void {
  const stepX = map.xx > 0 ? 1 : -1
  const startX = stepX > 0 ? -map.shiftX : width - 1 + map.shiftX
  // Results x in [x0, x1) have a source inside the picture.
  const x0 = Math.min(width, Math.max(0, map.shiftX))
  const x1 = Math.max(x0, Math.min(width, width + map.shiftX))
  for (let y = 0; y < height; y++) {
    const t = offset + y * width
    const sy = map.yy > 0 ? y - map.shiftY : height - 1 - y + map.shiftY
    const empty = sy < 0 || sy >= height
    let s = (sy + 1) * (width + 2) + 1 + startX + (empty ? 0 : x0 * stepX)
    for (let x = 0; x < width; x++) {
      if (empty || x < x0 || x >= x1) to[t + x] = fill
      else {
        to[t + x] = from[s]!
        s += stepX
      }
    }
  }
}

/** Any map, in 16.16 fixed point with weights of 8 bits: an integer multiplication costs less than a float's rounding. */
function bilinearPlane(
  map: Affine,
  from: Uint8Array,
  to: Uint8Array,
  offset: number,
  height: number,
  width: number,
  fill: number,
): void {
  const centreY = (height - 1) / 2
  const centreX = (width - 1) / 2
  const stride = width + 2
  const stepY = Math.round(map.yx * 65536) | 0
  const stepX = Math.round(map.xx * 65536) | 0
  // Sources are counted in the bordered plane: +1, and inside it when 0 <= source < size + 1.
  const limitY = (height + 1) << 16
  const limitX = (width + 1) << 16
  const dx = -centreX - map.shiftX
  for (let y = 0; y < height; y++) {
    const dy = y - centreY - map.shiftY
    let sy = Math.round((centreY + 1 + map.yy * dy + map.yx * dx) * 65536) | 0
    let sx = Math.round((centreX + 1 + map.xy * dy + map.xx * dx) * 65536) | 0
    let t = offset + y * width
    for (const end = t + width; t < end; t++) {
      if (sy >= 0 && sx >= 0 && sy < limitY && sx < limitX) {
        const at = (sy >> 16) * stride + (sx >> 16)
        const fy = (sy >> 8) & 255
        const fx = (sx >> 8) & 255
        const upper = from[at]! * (256 - fx) + from[at + 1]! * fx
        const lower = from[at + stride]! * (256 - fx) + from[at + stride + 1]! * fx
        to[t] = (upper * (256 - fy) + lower * fy + 32768) >> 16
      } else to[t] = fill
      sy = (sy + stepY) | 0
      sx = (sx + stepX) | 0
    }
  }
}
