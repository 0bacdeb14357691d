import { expect, test } from 'vitest'
import { float32, tensor } from '../core/tensor.ts'
import { classificationScorer } from './scores.ts'

test('the positions of sequences are examples of their own', () => {
  const probabilities = [0.9, 0.1, 0.2, 0.8, 0.6, 0.4, 0.3, 0.7, 0.1, 0.9, 0.5, 0.5]
  const labels = Int32Array.of(0, 1, 1, 1, 0, 0)
  const [sequences, rows] = [classificationScorer(['accuracy']), classificationScorer(['accuracy'])]
  sequences.add(float32([2, 3, 2], probabilities), tensor('int32', [2, 3], labels))
  rows.add(float32([6, 2], probabilities), tensor('int32', [6], labels))
  expect(sequences.values()).toEqual(rows.values())
  expect(sequences.values().accuracy).toBeCloseTo(4 / 6)
  expect(() => rows.add(float32([], [1]), tensor('int32', [], labels.slice(0, 1)))).toThrow(
    'a classifier predicts [batch, ..., classes], received []',
  )
})
