/** Generated from the table: every sample of every operator record, against the runtime and finite differences. */
import { describe, expect, it } from 'vitest'
import { allOps } from '../src/ops/index.ts'
import type { Sample } from '../src/ops/op.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { checkSample } from './gradient-check.ts'

/** The attributes in the title of a test; elements of tensors may be 64-bit integers, which JSON does not know. */
function describeAttributes(sample: Sample): string {
  return JSON.stringify(sample.attributes ?? {}, (_, value) => (typeof value === 'bigint' ? Number(value) : value))
}

const backend = createNodeBackend({ threads: 1 })

for (const op of allOps) {
  describe(op.name, () => {
    it('has samples, and says why when it has no gradient', () => {
      expect(op.samples.length).toBeGreaterThan(0)
      if (typeof op.grad !== 'function') expect(op.grad.none.length).toBeGreaterThan(10)
    })
    op.samples.forEach((sample, i) => {
      const shapes = sample.inputs.map((input) => (input ? `[${input.shape}]` : '-')).join(' ')
      it(`${i}: ${sample.title ?? ''} ${shapes} ${describeAttributes(sample)}`, async () => {
        const { pairs } = await checkSample(op, sample, backend)
        for (const { what, expected, received, tolerance } of pairs) {
          const scale = Math.max(1, Math.abs(expected), Math.abs(received))
          expect(
            Math.abs(expected - received) / scale,
            `${what}: expected ${expected}, received ${received}`,
          ).toBeLessThan(tolerance)
        }
      })
    })
  })
}
