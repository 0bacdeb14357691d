/** THE table of operators. Generic code asks it; nothing else lists operators. */
import { activation } from './activation.ts'
import { arrange } from './arrange.ts'
import { compare } from './compare.ts'
import { contrib } from './contrib.ts'
import { controlFlow } from './control-flow.ts'
import { convolution } from './conv.ts'
import { create } from './create.ts'
import { einsum } from './einsum.ts'
import { elementwise } from './elementwise.ts'
import { gridSampling } from './grid-sample.ts'
import { groupNorm } from './group-normalization.ts'
import { indexing } from './indexing.ts'
import { linearAlgebra } from './linear-algebra.ts'
import { losses } from './loss.ts'
import { normalization } from './normalization.ts'
import type { Op, OpTable } from './op.ts'
import { pooling } from './pool.ts'
import { positions } from './positions.ts'
import { quantization } from './quantization.ts'
import { random } from './random.ts'
import { recurrent } from './recurrent.ts'
import { reduce } from './reduce.ts'
import { resizing } from './resize.ts'
import { scattering } from './scatter.ts'
import { sequences } from './sequence.ts'
import { shape } from './shape.ts'
import { sliceAndPad } from './slice-pad.ts'
import { softmaxFamily } from './softmax.ts'
import { spatial } from './spatial.ts'
import { spectral } from './spectral.ts'
import { text } from './text.ts'

const families: readonly (readonly Op[])[] = [
  elementwise,
  activation,
  compare,
  reduce,
  shape,
  arrange,
  sliceAndPad,
  create,
  indexing,
  scattering,
  linearAlgebra,
  einsum,
  contrib,
  convolution,
  pooling,
  resizing,
  softmaxFamily,
  normalization,
  losses,
  recurrent,
  controlFlow,
  quantization,
  gridSampling,
  spectral,
  random,
  spatial,
  positions,
  text,
  [groupNorm],
  sequences,
]

/** A table of the given records, for tests and for operators of a user's own. */
export function createTable(records: Iterable<Op>): OpTable {
  const byName = new Map<string, Op>()
  for (const op of records) {
    const key = `${op.domain ?? ''}:${op.name}`
    if (byName.has(key)) throw new Error(`operator ${op.name} has two records`)
    byName.set(key, op)
  }
  return {
    get: (domain, name) => byName.get(`${domain === 'ai.onnx' ? '' : domain}:${name}`),
    names: () => [...byName.values()].map((op) => op.name),
  }
}

export const allOps: readonly Op[] = families.flat()

export const table: OpTable = createTable(allOps)
