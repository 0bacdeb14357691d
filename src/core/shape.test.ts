import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  broadcastShapes,
  formatShape,
  isStatic,
  normalizeAxis,
  requireStatic,
  sameDim,
  sameShape,
  sizeOf,
  stridesOf,
} from './shape.ts'

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 })

/** Two shapes that broadcast: each axis of the result is kept or made 1 in either, and leading axes may be missing. */
const broadcastable = shapes.chain((out) => {
  const side = fc
    .tuple(fc.array(fc.boolean(), { minLength: out.length, maxLength: out.length }), fc.nat(out.length))
    .map(([keep, cut]) => out.map((dim, i) => (keep[i] ? dim : 1)).slice(cut))
  return fc.tuple(side, side)
})

describe('broadcastShapes', () => {
  it('follows the definition: from the back, equal or 1', () => {
    fc.assert(
      fc.property(broadcastable, ([a, b]) => {
        const out = broadcastShapes(a, b)
        expect(out.length).toBe(Math.max(a.length, b.length))
        for (let i = 1; i <= out.length; i++) {
          const [x, y] = [a[a.length - i] ?? 1, b[b.length - i] ?? 1]
          expect(out[out.length - i]).toBe(x === 1 ? y : x)
        }
        expect(broadcastShapes(b, a)).toEqual(out)
        expect(broadcastShapes(a, a)).toEqual(a)
        expect(broadcastShapes(out, a)).toEqual(out)
        expect(broadcastShapes(a, [])).toEqual(a)
      }),
    )
  })

  it('keeps symbolic dimensions as far as they are known', () => {
    expect(broadcastShapes(['batch', 3], [3])).toEqual(['batch', 3])
    expect(broadcastShapes(['batch', 1], ['batch', 4])).toEqual(['batch', 4])
    expect(broadcastShapes(['batch'], [5])).toEqual([5])
    expect(broadcastShapes(['a'], ['b'])).toEqual(['?'])
    expect(broadcastShapes(['?'], ['?'])).toEqual(['?'])
  })

  it('names both shapes and the sizes that do not fit', () => {
    expect(() => broadcastShapes([2, 3], [4])).toThrow('shapes [2, 3] and [4] do not broadcast: 3 against 4')
  })
})

describe('shapes', () => {
  it('compares dimensions; an unknown one equals nothing', () => {
    expect(sameDim('?', '?')).toBe(false)
    expect(sameDim('n', 'n')).toBe(true)
    expect(sameShape([2, 'n'], [2, 'n'])).toBe(true)
    expect(sameShape([2], [2, 1])).toBe(false)
  })

  it('counts elements and strides row by row', () => {
    expect(sizeOf([])).toBe(1)
    expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1])
    fc.assert(
      fc.property(
        shapes.filter((s) => !s.includes(0)),
        (shape) => {
          const last = shape.reduce((at, dim, i) => at + (dim - 1) * stridesOf(shape)[i]!, 0)
          expect(last).toBe(sizeOf(shape) - 1)
        },
      ),
    )
  })

  it('counts negative axes from the back and names what is out of range', () => {
    expect(normalizeAxis(-1, 3)).toBe(2)
    expect(normalizeAxis(0, 3)).toBe(0)
    expect(() => normalizeAxis(3, 3)).toThrow('axis must be from -3 to 2 for rank 3, received 3')
    expect(() => normalizeAxis(0.5, 3, 'split axis')).toThrow(/split axis .* received 0.5/)
  })

  it('tells static shapes from symbolic ones', () => {
    expect(isStatic([1, 2])).toBe(true)
    expect(isStatic(['n'])).toBe(false)
    expect(requireStatic([1, 2], 'x')).toEqual([1, 2])
    expect(() => requireStatic(['n', 2], 'a reshape')).toThrow(
      'a reshape needs every dimension as a number, received [n, 2]',
    )
    expect(formatShape(['batch', 3])).toBe('[batch, 3]')
  })
})
