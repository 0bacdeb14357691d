/** Zeros as gradient rules write them, a scalar that is expanded, and what adds to them. */
import { isStatic, sizeOf } from '../core/shape.ts'
import { numbersOf } from '../core/tensor.ts'
import type { Node, Value } from '../graph/graph.ts'

/** Whether a value is an expanded constant 0. */
export function isZeros(value: Value | undefined, producers: ReadonlyMap<Value, Node>): value is Value {
  const expand = value && producers.get(value)
  if (expand?.op !== 'Expand' || expand.domain !== '') return false
  const constant = expand.inputs[0]?.constant
  return constant !== undefined && numbersOf(constant).every((number) => number === 0)
}

/** Elements from which zeros are large: a megabyte of float32. */
const largeFrom = 2 ** 18

const scatters = new Set(['ScatterElements', 'ScatterND'])

/** Whether a node writes into large zeros, its first input. */
export function startsFromLargeZeros({ op, domain, inputs }: Node, producers: ReadonlyMap<Value, Node>): boolean {
  const [zeros] = inputs
  const shape = zeros?.type?.shape
  if (!scatters.has(op) || domain !== '' || !shape || !isStatic(shape)) return false
  return sizeOf(shape) >= largeFrom && isZeros(zeros, producers)
}
