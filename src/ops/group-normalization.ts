/** GroupNormalization in the form of opset 21, with a scale and a bias for each channel; opset 18 had them for each group. */
import { lowered } from './lower.ts'
import { requireChannels } from './normalization.ts'
import { groupNormalization } from './normalization-forms.ts'
import type { Op } from './op.ts'

/** Normalised over groups of channels and all places, then a scale and a bias for each channel (Wu and He 2018) */
export const groupNorm: Op = lowered(
  {
    name: 'GroupNormalization',
    since: 21,
    inputs: [3, 3],
    attributes: {
      epsilon: { kind: 'float', default: 1e-5 },
      num_groups: { kind: 'int' },
      stash_type: { kind: 'int', default: 1 },
    },
    infer: (c) => {
      const x = c.input(0)
      requireChannels(c, x, 1, 2)
      const [groups, channels] = [c.attributes.int('num_groups'), x.shape[1]!]
      if (typeof channels === 'number' && channels % groups !== 0)
        c.fail(`${channels} channels do not divide into ${groups} groups`)
      return [x]
    },
    smooth: true,
    samples: [
      { inputs: [{ shape: [2, 4, 3] }, { shape: [4] }, { shape: [4] }], attributes: { num_groups: 2 } },
      {
        inputs: [{ shape: [1, 6, 2, 2] }, { shape: [6] }, { shape: [6] }],
        attributes: { num_groups: 3, epsilon: 0.1 },
      },
    ],
  },
  ({ g, input, attributes: a }) => [
    groupNormalization(g, input(0), input(1), input(2), a.int('num_groups'), a.float('epsilon')),
  ],
)
