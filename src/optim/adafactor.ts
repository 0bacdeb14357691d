/**
 * Adafactor (Shazeer & Stern, "Adafactor: adaptive learning rates with sublinear memory cost", arXiv:1804.04235, 2018), without momentum: of
 * the squared gradients of a matrix it keeps the means over rows and over columns alone.
 */
import { type StaticShape, sizeOf } from '../core/shape.ts'
import type { Optimizer } from './optimizer.ts'
import { type Fields, flag, type Given, number, readOptions } from './options.ts'

export interface AdafactorOptions {
  /** largest relative step: the step is this share of the parameter's root mean square; the paper's 0.01 (Keras: 0.001) */
  readonly learningRate: number
  /** the average of squared gradients keeps 1 - t^beta2Decay at update t */
  readonly beta2Decay: number
  /** added to squared gradients */
  readonly epsilon1: number
  /** least root mean square that a parameter is taken to have, so that zeros move */
  readonly epsilon2: number
  /** most root mean square of an update before the learning rate */
  readonly clipThreshold: number
  /** the relative step falls as 1 / sqrt(t) where that is below the learning rate; without, a schedule alone moves it */
  readonly relativeStep: boolean
  /** decoupled: w loses step * weightDecay * w */
  readonly weightDecay: number
}

const fields: Fields<AdafactorOptions> = {
  learningRate: number(0.01, { minimum: 0 }),
  beta2Decay: number(-0.8, { below: 0 }),
  epsilon1: number(1e-30, { minimum: 1e-30 }),
  epsilon2: number(1e-3, { minimum: 0 }),
  clipThreshold: number(1, { above: 0 }),
  relativeStep: flag(true),
  weightDecay: number(0, { minimum: 0 }),
}

/**
 * With G the gradient and t the update, b = 1 - t^beta2Decay, S = G^2 + epsilon1: R = b R + (1 - b) (means of S over each row),
 * C the same over columns, V = R C / mean(R); where that saves nothing, V = b V + (1 - b) S. U = G / sqrt(V), no longer than
 * RMS(U) = clipThreshold; w -= max(epsilon2, RMS(w)) * min(learningRate, 1 / sqrt(t)) * U.
 * A parameter of more than two axes is taken as the matrix, of neighbouring axes, with the fewest rows and columns. The gradients hold U
 * afterwards.
 *
 * @throws QuernError 'config' for an unknown option or one out of range
 * @example
 * const optimizer = adafactor({ learningRate: 0.02, relativeStep: false })
 */
export function adafactor(options: Given<AdafactorOptions> = {}): Optimizer {
  const config = readOptions('adafactor', options, fields)
  const { beta2Decay, epsilon1, epsilon2, clipThreshold, relativeStep, weightDecay } = config
  return {
    name: 'adafactor',
    config: { name: 'adafactor', ...config },
    slots: ['rowSquares', 'columnSquares'],
    slotShape(slot, shape) {
      const { rows, columns } = matrixOf(shape) ?? {}
      if (rows === undefined || columns === undefined) return slot === 'rowSquares' ? shape : [0]
      return slot === 'rowSquares' ? [rows] : [columns]
    },
    byParameter: true,
    update(kernels, { shape, ...segment }, { learningRate, step, gradientScale }) {
      const count = sizeOf(shape)
      const target = { ...segment, count }
      const root = (address: number) => Math.sqrt(kernels.sumOfSquares(address, count) / count)
      const scalars = { gradientScale, rho: 1 - step ** beta2Decay, epsilon: epsilon1 }
      const [first, second] = segment.slots as [number, number]
      const matrix = matrixOf(shape)
      if (matrix) kernels.factoredDirection(target, { ...matrix, rowSquares: first, columnSquares: second }, scalars)
      else kernels.wholeDirection(target, first, scalars)
      const relative =
        (relativeStep ? Math.min(learningRate, 1 / Math.sqrt(step)) : learningRate) * segment.learningRateFactor
      const rate = relative * Math.max(epsilon2, root(segment.parameters))
      const clip = Math.max(1, root(segment.gradients) / clipThreshold)
      kernels.sgd(target, { rate: rate / clip, shrink: rate * weightDecay * segment.decayFactor })
    },
  }
}

interface Matrix {
  readonly rows: number
  readonly columns: number
}

/** The split of the axes into rows and columns that keeps the fewest numbers; undefined where none keeps fewer than all. */
function matrixOf(shape: StaticShape): Matrix | undefined {
  const size = sizeOf(shape)
  let best: Matrix | undefined
  for (let axis = 1; axis < shape.length; axis++) {
    const rows = sizeOf(shape.slice(0, axis))
    const columns = sizeOf(shape.slice(axis))
    if (rows + columns < (best ? best.rows + best.columns : size)) best = { rows, columns }
  }
  return best
}
