/** Which weights (IA)3 has factors for. */
import { expect, test } from 'vitest'
import { noise } from '../../test/run-layer.ts'
import { GraphBuilder } from '../graph/builder.ts'
import { Emitter } from '../ops/emitter.ts'
import { table } from '../ops/index.ts'
import { ia3 } from './ia3.ts'
import { placedSites } from './write.ts'

test('(IA)3 leaves alone what it has no factors for where nothing is named, and refuses inputs of no weight', () => {
  const g = new Emitter(table, new GraphBuilder('decoder'))
  const image = g.builder.input('x', { dtype: 'float32', shape: ['batch', 2, 3, 3] })
  const small = g.op('Conv', [image, g.constant(noise(1, [4, 2, 1, 1]), 'down.weight')])
  const graph = g.builder.finish([g.op('ConvTranspose', [small, g.constant(noise(2, [4, 2, 2, 2]), 'up.weight')])])
  expect(placedSites(graph.nodes, ia3()).map(({ name }) => name)).toEqual(['down.weight'])
  expect(placedSites(graph.nodes, ia3({ feedForward: 'down' }))).toHaveLength(1)
  expect(() => placedSites(graph.nodes, ia3({ feedForward: ['down', 'dwn'] }))).toThrow(
    "ia3.feedForward: 'dwn' means none of the 1 weights that have factors",
  )
  expect(() => placedSites(graph.nodes, ia3({ targets: 'up' })).map((site) => ia3().parameters(site))).toThrow(
    /'up.weight' belongs to a convolution that is grouped or transposed/,
  )
})
