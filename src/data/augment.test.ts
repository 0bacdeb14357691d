import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mnistFile } from '../../test/mnist-files.ts'
import { createRandom } from '../core/random.ts'
import { type Affine, applyAffine, identity, scratchSize } from './affine.ts'
import { type AugmentConfig, createAugment } from './augment.ts'
import { readIdxFile } from './idx-source.ts'

const digits = (await readIdxFile(mnistFile('t10k-images-idx3-ubyte'))).data as Uint8Array
const shape = [1, 28, 28]

function augmented(
  config: AugmentConfig,
  seed: number,
  picture: Uint8Array = digits,
  of: readonly number[] = shape,
): Uint8Array {
  const pixels = picture.slice(0, of[0]! * of[1]! * of[2]!)
  createAugment(config)(pixels, 0, of, createRandom(seed))
  return pixels
}

/** The definition in affine.ts in floating point, pixel by pixel. */
function reference(
  map: Affine,
  picture: Uint8Array,
  channels: number,
  height: number,
  width: number,
  fill: number,
): number[] {
  const at = (c: number, y: number, x: number): number =>
    y < 0 || x < 0 || y >= height || x >= width ? fill : picture[(c * height + y) * width + x]!
  const out: number[] = []
  const [centreY, centreX] = [(height - 1) / 2, (width - 1) / 2]
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [dy, dx] = [y - centreY - map.shiftY, x - centreX - map.shiftX]
        const [sy, sx] = [centreY + map.yy * dy + map.yx * dx, centreX + map.xy * dy + map.xx * dx]
        const [y0, x0] = [Math.floor(sy), Math.floor(sx)]
        const [fy, fx] = [sy - y0, sx - x0]
        const upper = at(c, y0, x0) * (1 - fx) + at(c, y0, x0 + 1) * fx
        const lower = at(c, y0 + 1, x0) * (1 - fx) + at(c, y0 + 1, x0 + 1) * fx
        out.push(upper * (1 - fy) + lower * fy)
      }
    }
  }
  return out
}

describe('applyAffine', () => {
  it('agrees with its definition for flips, shifts and rotations', () => {
    const size = fc.integer({ min: 1, max: 12 })
    const flip = fc.constantFrom(1, -1)
    const reach = fc.integer({ min: -14, max: 14 })
    const angle = fc.oneof(fc.constant(0), fc.double({ min: -3.1, max: 3.1, noNaN: true }))
    fc.assert(
      fc.property(
        fc.constantFrom(1, 3),
        size,
        size,
        angle,
        flip,
        flip,
        reach,
        reach,
        (channels, height, width, a, up, left, y, x) => {
          const [cos, sin] = [Math.cos(a), Math.sin(a)]
          const map = { yy: cos * up, yx: -sin * left, xy: sin * up, xx: cos * left, shiftY: y, shiftX: x }
          if (a === 0) Object.assign(map, { yx: 0, xy: 0 })
          // Smooth pictures: the weights have 8 bits, so the error grows with the contrast of neighbours.
          const picture = Uint8Array.from({ length: channels * height * width }, (_, i) => 100 + ((i * 37) % 64))
          const expected = reference(map, picture, channels, height, width, 120)
          const actual = Uint8Array.of(9, 9, ...picture)
          applyAffine(map, actual, 2, new Uint8Array(scratchSize(height, width)), channels, height, width, 120)
          expect(Array.from(actual.subarray(0, 2))).toEqual([9, 9])
          for (const [i, value] of expected.entries())
            expect(Math.abs(actual[i + 2]! - value)).toBeLessThan(a === 0 ? 0.001 : 1.6)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('turns a picture by 90 degrees', () => {
    const pixels = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)
    applyAffine({ ...identity(), yy: 0, xx: 0, yx: -1, xy: 1 }, pixels, 0, new Uint8Array(25), 1, 3, 3, 0)
    expect(Array.from(pixels)).toEqual([3, 6, 9, 2, 5, 8, 1, 4, 7].reverse())
  })
})

describe('createAugment', () => {
  it('flips', () => {
    const two = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
    expect(Array.from(augmented({ flipHorizontal: 1 }, 1, two, [2, 2, 2]))).toEqual([2, 1, 4, 3, 6, 5, 8, 7])
    expect(Array.from(augmented({ flipVertical: 1 }, 1, two, [2, 2, 2]))).toEqual([3, 4, 1, 2, 7, 8, 5, 6])
    expect(augmented({ flipVertical: false, flipHorizontal: 0 }, 1, two, [2, 2, 2])).toEqual(two)
    const flipped = Array.from(
      { length: 1000 },
      (_, s) => augmented({ flipHorizontal: true }, s, two, [2, 2, 2])[0] === 2,
    )
    expect(flipped.filter(Boolean).length).toBeGreaterThan(440)
    expect(flipped.filter(Boolean).length).toBeLessThan(560)
  })

  it('shifts by whole pixels up to the share, and fills what is uncovered', () => {
    const seen = new Set<number>()
    for (let seed = 0; seed < 200; seed++) {
      const row = Array.from(augmented({ shift: [0, 0.4], fill: 7 }, seed, Uint8Array.of(1, 2, 3, 4, 5), [1, 1, 5]))
      const dx = row.indexOf(3) - 2
      seen.add(dx)
      expect(row).toEqual(Array.from({ length: 5 }, (_, x) => [1, 2, 3, 4, 5][x - dx] ?? 7))
    }
    expect([...seen].sort()).toEqual([-1, -2, 0, 1, 2])
  })

  it('crops with padding, the same as a shift of up to the padding', () => {
    for (let seed = 0; seed < 50; seed++) {
      const row = Array.from(augmented({ crop: 1 }, seed, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), [1, 3, 3]))
      const at = row.indexOf(5)
      expect(at).toBeGreaterThanOrEqual(0)
      expect([0, 1, 2, 3, 4, 5, 6, 7, 8]).toContain(at)
    }
  })

  it('cuts out a square of the size that is asked for, or less at the border', () => {
    const white = new Uint8Array(3 * 20 * 20).fill(255)
    const sizes = new Set<number>()
    for (let seed = 0; seed < 200; seed++) {
      const cut = augmented({ cutout: 0.5 }, seed, white, [3, 20, 20])
      const planes = [0, 1, 2].map((c) => cut.subarray(c * 400, (c + 1) * 400))
      expect(planes[1]).toEqual(planes[0])
      expect(planes[2]).toEqual(planes[0])
      sizes.add(planes[0]!.filter((v) => v === 0).length)
    }
    expect(Math.max(...sizes)).toBe(100)
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(25)
  })

  it('keeps the ink of a rotated digit and repeats itself for the same numbers', () => {
    const ink = (a: Uint8Array): number => a.reduce((sum, v) => sum + v, 0)
    const turned = augmented({ rotate: 20, shift: 0.1 }, 3)
    expect(turned).not.toEqual(digits.subarray(0, 784))
    expect(Math.abs(ink(turned) / ink(digits.slice(0, 784)) - 1)).toBeLessThan(0.03)
    expect(augmented({ shift: 0.1, rotate: 20 }, 3)).toEqual(turned)
    expect(augmented({ rotate: 20, shift: 0.1 }, 4)).not.toEqual(turned)
  })

  it('refuses unknown keys and values out of range', () => {
    expect(() => createAugment({ rotat: 3 } as AugmentConfig)).toThrow("Did you mean 'rotate'?")
    expect(() => createAugment({ rotate: 200 })).toThrow('augment.rotate must be a number from 0 to 180, received 200')
    expect(() => createAugment({ shift: [0.1, 2] })).toThrow('augment.shift')
    expect(() => createAugment({ crop: 1.5 })).toThrow('counts pixels')
    expect(() => createAugment({ flipHorizontal: 'yes' as unknown as boolean })).toThrow('received "yes"')
  })
})
