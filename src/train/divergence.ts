/** What is to blame when a loss or a gradient is not finite: looked for after the fact, on the arena as the step left it. */
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import { firstNonFinite } from '../optim/update.ts'
import type { Arena } from '../runtime/arena.ts'
import type { Kernels } from '../runtime/kernels/kernels.ts'

export const divergenceHint: string =
  'Lower the learning rate, clip the gradient (train.clipNorm: 1), or look for extreme values in the data.'

/** Name of the first tensor of some regions with a value that is not finite. */
export function nameOfNonFinite(kernels: Kernels, arena: Arena, ...regions: readonly string[]): string | undefined {
  for (const name of regions) {
    const found = firstNonFinite(kernels, arena.region(name))
    if (found) return found.name
  }
  return undefined
}

export interface DivergedStep {
  readonly loss: number
  readonly step: number
  /** columns of the batch, its examples alone */
  readonly batch: Readonly<Record<string, Tensor>>
  /** number of those examples */
  readonly count: number
  /** regions that hold parameters and states */
  readonly parameters: readonly string[]
  /** regions that hold gradients of this step */
  readonly gradients: readonly string[]
}

/** The error that names the step and what is to blame: a parameter, the data, or else the first gradient. */
export function divergence(kernels: Kernels, arena: Arena, at: DivergedStep): QuernError {
  const what = Number.isFinite(at.loss) ? 'the gradient is not finite' : `the loss became ${at.loss}`
  const message = `${what} at step ${at.step}: ${blame(kernels, arena, at)}`
  return new QuernError('numeric', message, { hint: divergenceHint })
}

function blame(kernels: Kernels, arena: Arena, { batch, count, parameters, gradients }: DivergedStep): string {
  const parameter = nameOfNonFinite(kernels, arena, ...parameters)
  if (parameter) return `parameter '${parameter}' already holds values that are not finite`
  for (const [name, { dtype, data }] of Object.entries(batch)) {
    if (dtype !== 'float32') continue
    const rows = data as Float32Array
    const index = rows.findIndex((x) => !Number.isFinite(x))
    if (index >= 0)
      return `column '${name}' of the data holds ${rows[index]} in example ${Math.floor((index * count) / rows.length)} of the batch`
  }
  const gradient = nameOfNonFinite(kernels, arena, ...gradients)
  if (gradient) return `the first gradient that is not finite belongs to parameter '${gradient}'`
  return largest(arena, parameters)
}

/** All is finite but the loss: a value too large is the usual reason. */
function largest(arena: Arena, regions: readonly string[]): string {
  let [name, most] = ['', 0]
  for (const [path, { data }] of regions.flatMap((region) => [...arena.region(region).views])) {
    for (const value of data as Float32Array) if (Math.abs(value) > most) [name, most] = [path, Math.abs(value)]
  }
  return `all parameters are finite, the largest value is ${most.toPrecision(3)} in '${name}'`
}
