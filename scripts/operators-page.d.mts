import type { Op } from '../src/ops/op.ts'

export function operatorsPage(ops: readonly Op[], opset: number): string
