/** A residual network for rows of numbers (Gorishniy et al. 2021, "Revisiting deep learning models for tabular data", section 3.2). */
import type { Activation } from '../activations.ts'
import { dense } from '../dense.ts'
import { type CommonOptions, type Layer, layer } from '../layer.ts'
import { sequential } from '../model.ts'
import { batchNormalization } from '../normalization.ts'
import { positiveInteger, rate } from '../options.ts'
import { activation, dropout } from '../regularization.ts'
import { residual } from '../residual.ts'

export interface TabularResNetOptions extends CommonOptions {
  /** numbers at the end */
  readonly units: number
  /** of the way through; default 128 */
  readonly width?: number
  /** units inside of a block; default 256 */
  readonly hidden?: number
  /** default 2 */
  readonly blocks?: number
  /** inside of a block; default 0.2 */
  readonly hiddenDropout?: number
  /** at the end of a block; default 0 */
  readonly residualDropout?: number
  /** of the output; default linear */
  readonly activation?: Activation
}

const normalization = (): Layer => batchNormalization({ momentum: 0.9, epsilon: 1e-5 })

/**
 * `[batch, features]` -> `[batch, units]`: a dense layer, blocks of x + dropout(dense(dropout(relu(dense(norm(x)))))), then norm, relu and
 * a dense layer. Parameters: `first`, `block_1`, ..., `normalization`, `last`.
 */
export function tabularResNet(options: TabularResNetOptions): Layer {
  const kind = 'tabularResNet'
  const { width = 128, hidden = 256, blocks = 2, hiddenDropout = 0.2, residualDropout = 0 } = options
  for (const [name, value] of Object.entries({ units: options.units, width, hidden, blocks })) {
    positiveInteger(kind, name, value)
  }
  rate(kind, 'hiddenDropout', hiddenDropout)
  rate(kind, 'residualDropout', residualDropout)
  const kernelInitializer = 'heUniform'
  const first = dense({ units: width, kernelInitializer })
  const inner = Array.from({ length: blocks }, () =>
    residual(
      sequential([
        normalization(),
        dense({ units: hidden, activation: 'relu', kernelInitializer }),
        ...(hiddenDropout > 0 ? [dropout({ rate: hiddenDropout })] : []),
        dense({ units: width, kernelInitializer }),
        ...(residualDropout > 0 ? [dropout({ rate: residualDropout })] : []),
      ]),
    ),
  )
  const last = normalization()
  const answer = dense({ units: options.units, ...(options.activation ? { activation: options.activation } : {}) })
  return layer({
    kind,
    config: { ...options, width, hidden, blocks, hiddenDropout, residualDropout },
    apply: (c, inputs) => {
      const through = inner.reduce(
        (x, block, i) => c.inner(`block_${i + 1}`, block, [x]),
        c.inner('first', first, inputs),
      )
      const bent = c.inner('activation', activation('relu'), [c.inner('normalization', last, [through])])
      return c.inner('last', answer, [bent])
    },
  })
}
