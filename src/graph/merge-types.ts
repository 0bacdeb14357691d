/** What is known of one value from two sources. */
import { unknownDim } from '../core/shape.ts'
import type { TensorType } from './graph.ts'

/** What inference says, with its unknown dimensions filled in from what a file (or an earlier inference) says. */
export function mergeTypes(inferred: TensorType | undefined, stated: TensorType | undefined): TensorType | undefined {
  if (!inferred || !stated) return inferred ?? stated
  if (inferred.dtype !== stated.dtype) return inferred
  if (!inferred.shape || !stated.shape) return inferred.shape ? inferred : stated
  if (inferred.shape.length !== stated.shape.length) return inferred
  const { shape } = stated
  return { ...inferred, shape: inferred.shape.map((dim, i) => (dim === unknownDim ? (shape[i] ?? dim) : dim)) }
}
