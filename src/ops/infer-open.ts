/**
 * Output types where ranks of inputs are not known, as in imported models. Shape rules need ranks, so they are asked once for each rank that an
 * input may have: what all answers agree in is known. Most operators thus keep the element type, many the rank.
 */
import { QuernError } from '../core/errors.ts'
import { type Dim, sameDim, unknownDim } from '../core/shape.ts'
import type { Attributes, TensorType, Value } from '../graph/graph.ts'
import { inferTypes } from './infer.ts'
import type { Op, OpTable } from './op.ts'

/** Ranks that are tried: with one unknown input, and for each of two. */
const greatest = [7, 5]

type Types = readonly (TensorType | undefined)[]

/** As inferTypes, but outputs keep what does not depend on the unknown ranks. */
export function inferOpenTypes(
  op: Op,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
  outputCount: number,
  where: string,
  table: OpTable,
): Types {
  const types = inferTypes(op, inputs, attributes, outputCount, where, table)
  const open = inputs.flatMap((value, i) => (value?.type && !value.type.shape ? [i] : []))
  const isUntyped = inputs.some((value) => value && !value.type)
  if (op.lenient || isUntyped || open.length === 0) return types
  const answers = combinations(open.length).flatMap((ranks) => {
    const tried = inputs.map((value, i) => (open.includes(i) ? ofRank(value!, ranks[open.indexOf(i)]!) : value))
    try {
      return [inferTypes(op, tried, attributes, outputCount, where, table)]
    } catch (error) {
      if (error instanceof QuernError) return []
      throw error
    }
  })
  // With three unknown ranks or more only equal ones were tried: they say nothing of shapes.
  const keepsShape = open.length <= greatest.length
  return types.map((_, i) =>
    agreement(
      answers.map((answer) => answer[i]),
      keepsShape,
    ),
  )
}

/** Ranks of the unknown inputs: every combination of one or two, equal ranks of more. */
function combinations(count: number): number[][] {
  const ranks = (most: number) => Array.from({ length: most + 1 }, (_, rank) => rank)
  if (count === 1) return ranks(greatest[0]!).map((rank) => [rank])
  if (count === 2) return ranks(greatest[1]!).flatMap((a) => ranks(greatest[1]!).map((b) => [a, b]))
  return ranks(greatest[1]!).map((rank) => new Array<number>(count).fill(rank))
}

function ofRank(value: Value, rank: number): Value {
  return { ...value, type: { dtype: value.type!.dtype, shape: new Array<Dim>(rank).fill(unknownDim) } }
}

function agreement(answers: Types, keepsShape: boolean): TensorType | undefined {
  const [first] = answers
  if (!first || answers.some((answer) => answer?.dtype !== first.dtype)) return undefined
  const shapes = answers.map((answer) => answer?.shape)
  const isKnown = keepsShape && first.shape && shapes.every((shape) => shape?.length === first.shape?.length)
  if (!isKnown) return { dtype: first.dtype, shape: undefined }
  const shape = first.shape!.map((dim, axis) =>
    shapes.every((other) => sameDim(other![axis]!, dim)) ? dim : unknownDim,
  )
  return { dtype: first.dtype, shape }
}
