/**
 * Low-rank adapters: W + s B A with A `[rank, in]`, B `[out, rank]` and s = alpha / rank (Hu et al. 2021, arXiv:2106.09685); s = alpha / sqrt(rank) with
 * `rankStabilized` (Kalajdzievski 2023, arXiv:2312.03732); with `decomposed` the weights of each output are brought to a trained length (DoRA, Liu
 * et al. 2024, arXiv:2402.09353).
 */
import { QuernError } from '../core/errors.ts'
import { type LoraConfig, loraParameters, mostRank } from './lora-config.ts'
import { mergedLora } from './merge-lora.ts'
import type { AdapterMethod } from './method.ts'
import type { Targets } from './targets.ts'
import { writeLora } from './write-lora.ts'

export interface LoraOptions {
  /** of the change of each weight: at most the smaller of its two sides; default 8 */
  readonly rank?: number
  /** the change is multiplied by alpha / rank; default: the rank, so by 1 */
  readonly alpha?: number
  /** share of the branch's inputs that training drops; default 0 */
  readonly dropout?: number
  /** weights by name or pattern, or ends of module names as in PEFT; default: all frozen weights of products and convolutions that are as large as the rank */
  readonly targets?: Targets
  /** the change is multiplied by alpha / sqrt(rank): larger ranks learn as fast as small ones; default false */
  readonly rankStabilized?: boolean
  /** DoRA: also trains the length of each output's weights; default false */
  readonly decomposed?: boolean
}

/**
 * LoRA on frozen weights. A starts uniform in +-1 / sqrt(fan in) (Kaiming with a = sqrt(5)) and B at zero, for lookups A at zero and B normal, so
 * that the adapted model starts as the base.
 *
 * @throws QuernError 'config' for numbers that cannot be
 * @example lora({ rank: 8, alpha: 16, targets: ['queryKeyValue', 'output'] })
 */
export function lora(options: LoraOptions = {}): AdapterMethod {
  const { rank = 8, alpha = rank, dropout = 0, rankStabilized = false, decomposed = false, targets } = options
  if (!Number.isInteger(rank) || rank < 1) {
    throw new QuernError('config', `lora: rank must be a whole number of at least 1, received ${rank}`)
  }
  if (!(alpha > 0 && alpha < Infinity)) {
    throw new QuernError('config', `lora: alpha must be a number above 0, received ${alpha}`)
  }
  if (!(dropout >= 0 && dropout < 1)) {
    throw new QuernError('config', `lora: dropout must be at least 0 and less than 1, received ${dropout}`)
  }
  const config: LoraConfig = { rank, alpha, dropout, rankStabilized, decomposed }
  return {
    kind: 'lora',
    config: { ...config },
    targets,
    suits: ({ laid }) => rank <= mostRank(laid),
    parameters: (site) => loraParameters(site, config),
    at: ({ node }) => node,
    write: (c, site) => writeLora(c, site, config),
    merged: (site, elements) => mergedLora(site, elements, config),
  }
}
