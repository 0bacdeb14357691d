/** Numbers, names and parameters of low-rank adapters; shapes, names and initial values are those of PEFT. */
import { QuernError } from '../core/errors.ts'
import { sizeOf } from '../core/shape.ts'
import { dequantize } from './dequantize.ts'
import { type AdapterParameter, isDirect } from './method.ts'
import type { Site } from './sites.ts'

export interface LoraConfig {
  readonly rank: number
  readonly alpha: number
  readonly dropout: number
  readonly rankStabilized: boolean
  readonly decomposed: boolean
}

/** The factor in front of B A. */
export function scaleOf({ rank, alpha, rankStabilized }: LoraConfig): number {
  return alpha / (rankStabilized ? Math.sqrt(rank) : rank)
}

/** Paths of the parameters at a weight. */
export function loraPaths(weight: string): Readonly<Record<'a' | 'b' | 'magnitude', string>> {
  return { a: `${weight}/lora_A`, b: `${weight}/lora_B`, magnitude: `${weight}/lora_magnitude` }
}

/** Of the change of a weight: no more than the smaller one of its two sides. */
export function mostRank({ inputs, outputs, window }: Site['laid']): number {
  return Math.min(inputs * sizeOf(window), outputs)
}

/** @throws QuernError 'config' for a rank over the weight's size */
export function loraParameters(site: Site, { rank, decomposed }: LoraConfig): readonly AdapterParameter[] {
  const { laid, rule, name } = site
  const { inputs, outputs, window } = laid
  const fanIn = inputs * sizeOf(window)
  const most = mostRank(laid)
  if (rank > most) {
    throw new QuernError('config', `lora: the rank ${rank} is over the size of '${name}', ${fanIn} x ${outputs}`, {
      hint: `Choose a rank of at most ${most}, or leave that weight out of 'targets'.`,
    })
  }
  const paths = loraPaths(name)
  const bound = 1 / Math.sqrt(fanIn)
  const isLookup = rule.form === 'lookup'
  const uniform = { name: 'randomUniform', minval: -bound, maxval: bound } as const
  const ones = window.map(() => 1)
  return [
    { path: paths.a, spec: { shape: [rank, inputs, ...window], initializer: isLookup ? 'zeros' : uniform } },
    {
      path: paths.b,
      spec: { shape: [outputs, rank, ...ones], initializer: isLookup ? { name: 'randomNormal', stddev: 1 } : 'zeros' },
    },
    ...(decomposed ? [magnitudeAt(site)] : []),
  ]
}

/** The lengths of the weights of each output, as they are. */
function magnitudeAt(site: Site): AdapterParameter {
  const { name, laid } = site
  const lengths = lengthsOf(dequantize(site), site)
  const initializer = { name: 'given', elements: Float32Array.from(lengths) } as const
  return { path: loraPaths(name).magnitude, spec: { shape: [laid.outputs], initializer, decay: false } }
}

/** The output that an element of the weight, as the file lays it out, belongs to. */
export function outputOf(site: Site): (element: number) => number {
  const { outputs, inputs, window } = site.laid
  const size = sizeOf(window)
  if (!isDirect(site) || site.rule.packed) return (i) => Math.floor(i / (inputs * size))
  return (i) => Math.floor(i / size) % outputs
}

/** Euclidean lengths by output. */
export function lengthsOf(data: ArrayLike<number>, site: Site): Float64Array {
  const squares = new Float64Array(site.laid.outputs)
  const place = outputOf(site)
  for (let i = 0; i < data.length; i++) squares[place(i)]! += data[i]! ** 2
  return squares.map(Math.sqrt)
}
