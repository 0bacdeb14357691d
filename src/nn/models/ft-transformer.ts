/** A transformer over the columns of a table (Gorishniy et al. 2021, "Revisiting deep learning models for tabular data", section 3.3). */
import { QuernError } from '../../core/errors.ts'
import { formatShape } from '../../core/shape.ts'
import { shapeOf, type Value } from '../../graph/graph.ts'
import type { Activation } from '../activations.ts'
import { multiHeadAttention } from '../attention.ts'
import { dense } from '../dense.ts'
import { type CommonOptions, type Layer, type LayerContext, layer } from '../layer.ts'
import { layerNormalization } from '../normalization.ts'
import { positiveInteger, rate } from '../options.ts'
import { dropout } from '../regularization.ts'

export interface FtTransformerOptions extends CommonOptions {
  /** numbers at the end */
  readonly units: number
  /** default 3 */
  readonly blocks?: number
  /** default 8 */
  readonly heads?: number
  /** of the attention weights; default 0.2 */
  readonly attentionDropout?: number
  /** inside of the feed-forward networks; default 0.1 */
  readonly feedForwardDropout?: number
  /** behind attention and feed-forward network; default 0 */
  readonly residualDropout?: number
  /** width of the feed-forward networks over that of a token; default 4 / 3 */
  readonly feedForwardFactor?: number
  /** of the output; default linear */
  readonly activation?: Activation
}

/**
 * `[batch, columns, size]`, a token for each column, -> `[batch, units]`. A trained token joins them; after the blocks it alone is read. Each block is attention
 * and a feed-forward network with ReGLU, normalised first (but for the first attention), each with a way around it; the last
 * block computes the joined token only. Parameters: `token`, `block_1/...`, `normalization`, `last`.
 */
export function ftTransformer(options: FtTransformerOptions): Layer {
  const kind = 'ftTransformer'
  const { blocks = 3, heads = 8, attentionDropout = 0.2, feedForwardDropout = 0.1, residualDropout = 0 } = options
  const { feedForwardFactor = 4 / 3 } = options
  for (const [name, value] of Object.entries({ units: options.units, blocks, heads }))
    positiveInteger(kind, name, value)
  for (const [name, value] of Object.entries({ attentionDropout, feedForwardDropout, residualDropout })) {
    rate(kind, name, value)
  }
  const answer = dense({ units: options.units, ...(options.activation ? { activation: options.activation } : {}) })

  const block = (c: LayerContext, tokens: Value, i: number): Value => {
    const at = (part: string): string => `block_${i + 1}/${part}`
    const normalized = (part: string, x: Value): Value => c.inner(at(part), layerNormalization({ epsilon: 1e-5 }), [x])
    const dropped = (part: string, x: Value, share: number): Value => c.inner(at(part), dropout({ rate: share }), [x])
    const size = shapeOf(tokens)[2] as number
    const seen = i === 0 ? tokens : normalized('attentionNormalization', tokens)
    // Only the first token of the last block is read: the others are not computed.
    const isLast = i === blocks - 1
    const first = (x: Value): Value => (isLast ? c.g.slice(x, [0], [1], [1]) : x)
    const own = multiHeadAttention({ numHeads: heads, dropout: attentionDropout })
    const attended = c.inner(at('attention'), own, isLast ? [first(seen), seen] : [seen])
    const joined = c.g.add(first(tokens), dropped('attentionDropout', attended, residualDropout))
    const hidden = Math.max(1, Math.round(size * feedForwardFactor))
    const x = normalized('feedForwardNormalization', joined)
    const project = (part: string, from: Value, units: number): Value => c.inner(at(part), dense({ units }), [from])
    const gated = c.g.mul(project('up', x, hidden), c.g.relu(project('gate', x, hidden)))
    const down = project('down', dropped('hiddenDropout', gated, feedForwardDropout), size)
    return c.g.add(joined, dropped('feedForwardDropout', down, residualDropout))
  }
  return layer({
    kind,
    config: {
      ...options,
      ...{ blocks, heads, attentionDropout, feedForwardDropout, residualDropout, feedForwardFactor },
    },
    apply: (c, [x]) => {
      const shape = shapeOf(x!)
      const [batch, columns, size] = shape
      if (shape.length !== 3 || typeof columns !== 'number' || typeof size !== 'number') {
        throw new QuernError('input', `${kind} needs [batch, columns, size], received ${formatShape(shape)}`)
      }
      const initializer = { name: 'randomNormal', stddev: 1 / Math.sqrt(size) } as const
      const token = c.parameter('token', { shape: [1, 1, size], initializer, decay: false })
      // Repeated for each example by adding nothing: the batch may have no number yet.
      const none = c.g.mul(c.g.slice(x!, [0], [1], [1]), 0)
      let tokens = c.g.concat([c.g.add(none, token), x!], 1)
      for (let i = 0; i < blocks; i++) tokens = block(c, tokens, i)
      const read = c.g.reshape(tokens, [batch!, size])
      const bent = c.g.relu(c.inner('normalization', layerNormalization({ epsilon: 1e-5 }), [read]))
      return c.inner('last', answer, [bent])
    },
  })
}
