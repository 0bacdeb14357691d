/** Einstein summation: a product of tensors whose axes are named by letters; letters absent from the result are summed. */

import { QuernError } from '../core/errors.ts'
import { broadcastShapes, type Dim, requireStatic, type Shape, sameDim, unknownDim } from '../core/shape.ts'
import { tensorFromNumbers } from '../core/tensor.ts'
import { dtypeOf, shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from './emitter.ts'
import { type GradientContext, type Op, typed } from './op.ts'

interface Equation {
  /** the letters of each input, one an axis, '...' written out */
  readonly terms: readonly string[]
  readonly result: string
  /** letters that the ellipsis stands for: they broadcast */
  readonly ellipsis: string
}

/** Reads 'bij,bjk->bik'. Without '->' the result has the letters that occur once, in alphabetical order, behind the ellipsis. */
function parse(text: string, shapes: readonly Shape[], fail: (message: string) => never): Equation {
  const [left = '', right] = text.replaceAll(' ', '').split('->')
  const written = left.split(',')
  if (written.length !== shapes.length)
    fail(`the equation '${text}' has ${written.length} terms for ${shapes.length} inputs`)
  const extra = written.map((term, i) => (term.includes('...') ? shapes[i]!.length - (term.length - 3) : 0))
  // Letters that the equation does not use name the axes of the ellipsis, aligned at the right.
  const free = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'].filter((letter) => !text.includes(letter))
  const ellipsis = free.slice(0, Math.max(0, ...extra)).join('')
  const terms = written.map((term, i) => term.replace('...', extra[i]! > 0 ? ellipsis.slice(-extra[i]!) : ''))
  terms.forEach((term, i) => {
    if (term.length !== shapes[i]!.length)
      fail(`the term '${written[i]}' does not fit an input with ${shapes[i]!.length} axes`)
  })
  const letters = [...left.replaceAll('...', '').replaceAll(',', '')]
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort()
  return { terms, result: right === undefined ? ellipsis + once.join('') : right.replace('...', ellipsis), ellipsis }
}

function sizesOf(
  { terms, ellipsis }: Equation,
  shapes: readonly Shape[],
  fail: (message: string) => never,
): Map<string, Dim> {
  const sizes = new Map<string, Dim>()
  terms.forEach((term, i) => {
    ;[...term].forEach((letter, axis) => {
      const size = shapes[i]![axis]!
      const known = sizes.get(letter)
      if (known === undefined || sameDim(known, size) || known === unknownDim) sizes.set(letter, size)
      else if (ellipsis.includes(letter)) sizes.set(letter, broadcastShapes([known], [size])[0]!)
      else if (typeof known === 'number' && typeof size === 'number') fail(`'${letter}' is ${known} and ${size}`)
      else if (typeof size === 'number') sizes.set(letter, size)
    })
  })
  return sizes
}

/**
 * The gradient of one input sums, over the letters that it lacks, the product of dy and the other inputs. Its letters that occur nowhere
 * else were summed alone: along them the gradient is constant.
 */
function termGradient(c: GradientContext, equation: Equation, index: number): Value {
  const { g, dy, node } = c
  const { terms, result } = equation
  const term = terms[index]!
  const letters = [...new Set(term)]
  const shapes = node.inputs.map((_, i) => shapeOf(c.input(i)))
  const sizes = sizesOf(equation, shapes, failAt(c))
  // An axis of the ellipsis that is 1 here and more elsewhere is written out: in an equation of letters sizes must be equal.
  const others = terms.flatMap((letters, i) =>
    i === index
      ? []
      : [
          {
            letters,
            value: g.expand(
              c.input(i),
              [...letters].map((letter) => sizes.get(letter)!),
            ),
          },
        ],
  )
  const found = letters.filter((letter) => result.includes(letter) || others.some((o) => o.letters.includes(letter)))
  const factors = [{ letters: result, value: dy }, ...others]
  const product = g.op(
    'Einsum',
    factors.map((f) => f.value),
    {
      equation: `${factors.map((f) => f.letters).join(',')}->${found.join('')}`,
    },
  )
  const shape = shapeOf(c.input(index))
  const own = letters.map((letter) => shape[term.indexOf(letter)]!)
  return onDiagonals(g, restore(g, product, letters, found, own), term)
}

/** Axes of one letter have a gradient where their positions are equal: x `[one axis a letter]` times identities, in the term's axes. */
function onDiagonals(g: Emitter, x: Value, term: string): Value {
  const repeated = [...new Set(term)].filter((letter) => term.indexOf(letter) !== term.lastIndexOf(letter))
  if (repeated.length === 0) return x
  const sizes = requireStatic(shapeOf(x), 'the gradient of Einsum')
  const size = (letter: string) => sizes[[...new Set(term)].indexOf(letter)]!
  const open = [...term].map((letter, axis) => (term.indexOf(letter) === axis ? size(letter) : 1))
  return repeated.reduce(
    (product, letter) => {
      const [n, times] = [size(letter), [...term].filter((other) => other === letter).length]
      // Positions that are equal in all axes lie 1 + n + n^2 + ... apart.
      const step = Array.from({ length: times }, (_, i) => n ** i).reduce((sum, part) => sum + part)
      const identity = Array.from({ length: n ** times }, (_, i) => (i % step === 0 ? 1 : 0))
      const shape = [...term].map((other) => (other === letter ? n : 1))
      return g.mul(product, g.constant(tensorFromNumbers(dtypeOf(x), shape, identity)))
    },
    g.reshape(x, open),
  )
}

/** Sums ellipsis axes that were broadcast, and repeats the gradient along the letters that it lacks. */
function restore(
  g: Emitter,
  product: Value,
  letters: readonly string[],
  found: readonly string[],
  shape: Shape,
): Value {
  const open = letters.map((letter, i) => (found.includes(letter) ? shape[i]! : 1))
  const summed = g.sumTo(
    product,
    open.filter((_, i) => found.includes(letters[i]!)),
  )
  return g.expand(g.reshape(summed, open), shape)
}

function failAt(c: GradientContext): (message: string) => never {
  return (message) => {
    throw new QuernError('input', `Einsum at '${c.node.name}': ${message}`)
  }
}

const einsumOp: Op = {
  name: 'Einsum',
  costly: true,
  since: 12,
  inputs: [1, Number.MAX_SAFE_INTEGER],
  attributes: { equation: { kind: 'string' } },
  infer: (c) => {
    const shapes = Array.from({ length: c.inputCount }, (_, i) => c.input(i).shape)
    const equation = parse(c.attributes.string('equation'), shapes, c.fail)
    const sizes = sizesOf(equation, shapes, c.fail)
    const out = [...equation.result].map((letter) => sizes.get(letter) ?? c.fail(`'${letter}' is in the result alone`))
    return typed(c.input(0).dtype, out)
  },
  grad: (c) => {
    const shapes = c.node.inputs.map((_, i) => shapeOf(c.input(i)))
    const equation = parse(c.attributes.string('equation'), shapes, failAt(c))
    return equation.terms.map((_, i) => termGradient(c, equation, i))
  },
  smooth: true,
  samples: [
    { inputs: [{ shape: [2, 3] }, { shape: [3, 4] }], attributes: { equation: 'ij,jk->ik' } },
    { inputs: [{ shape: [2, 3] }], attributes: { equation: 'ij->ji' } },
    { inputs: [{ shape: [2, 3] }], attributes: { equation: 'ij->i' } },
    { inputs: [{ shape: [2, 3] }, { shape: [3] }], attributes: { equation: 'ij,j' } },
    { inputs: [{ shape: [2, 3, 2] }, { shape: [2, 2, 4] }], attributes: { equation: 'bij,bjk->bik' } },
    { inputs: [{ shape: [2, 3, 4] }, { shape: [1, 4, 2] }], attributes: { equation: '...ij,...jk->...ik' } },
    { inputs: [{ shape: [2] }, { shape: [3] }, { shape: [2, 3] }], attributes: { equation: 'i,j,ij->' } },
    { title: 'trace', inputs: [{ shape: [3, 3] }], attributes: { equation: 'ii' } },
    { title: 'diagonal', inputs: [{ shape: [3, 3] }, { shape: [3, 2] }], attributes: { equation: 'ii,ij->ij' } },
    { title: 'diagonal of a cube', inputs: [{ shape: [2, 3, 2, 2] }], attributes: { equation: 'ijii->ji' } },
  ],
}

export const einsum: readonly Op[] = [einsumOp]
