/**
 * The matrices of Winograd's F(2, 3) and F(4, 3), for a stride of 2 of F(2, 2) and F(4, 2), and of kernels of one tap: what takes inputs, kernels and products
 * of tiles from one to the other. Source: Lavin & Gray 2016, Fast Algorithms for Convolutional Neural Networks, sections 4.1 and 4.3.
 */

export type Matrix = readonly (readonly number[])[]

/** How a convolution is cut along one axis. */
export interface Form {
  /** of the kernel */
  readonly taps: 1 | 3
  readonly stride: 1 | 2
  /** outputs of a tile */
  readonly size: 1 | 2 | 4
}

/** The forms that there are, but for one tap with a stride of 1, which is a product already. */
export const forms: readonly Form[] = [
  { taps: 3, stride: 1, size: 2 },
  { taps: 3, stride: 1, size: 4 },
  { taps: 3, stride: 2, size: 2 },
  { taps: 3, stride: 2, size: 4 },
  { taps: 1, stride: 2, size: 1 },
]

interface Transforms {
  /** G: a kernel along one axis to its places */
  readonly kernel: Matrix
  /** B': the inputs of a tile to their places */
  readonly inputs: Matrix
  /** A': places to the outputs of a tile */
  readonly outputs: Matrix
}

/** F(2, 3) and F(4, 3) */
const ofThreeTaps: Readonly<Record<2 | 4, Transforms>> = {
  2: {
    kernel: [
      [1, 0, 0],
      [1 / 2, 1 / 2, 1 / 2],
      [1 / 2, -1 / 2, 1 / 2],
      [0, 0, 1],
    ],
    inputs: [
      [1, 0, -1, 0],
      [0, 1, 1, 0],
      [0, -1, 1, 0],
      [0, 1, 0, -1],
    ],
    outputs: [
      [1, 1, 1, 0],
      [0, 1, -1, -1],
    ],
  },
  4: {
    kernel: [
      [1 / 4, 0, 0],
      [-1 / 6, -1 / 6, -1 / 6],
      [-1 / 6, 1 / 6, -1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [1 / 24, -1 / 12, 1 / 6],
      [0, 0, 1],
    ],
    inputs: [
      [4, 0, -5, 0, 1, 0],
      [0, -4, -4, 1, 1, 0],
      [0, 4, -4, -1, 1, 0],
      [0, -2, -1, 2, 1, 0],
      [0, 2, -1, -2, 1, 0],
      [0, 4, 0, -5, 0, 1],
    ],
    outputs: [
      [1, 1, 1, 1, 1, 0],
      [0, 1, -1, 2, -2, 0],
      [0, 1, 1, 4, 4, 0],
      [0, 1, -1, 8, -8, 1],
    ],
  },
}

/** F(2, 2) and F(4, 2) */
const ofTwoTaps: Readonly<Record<2 | 4, Transforms>> = {
  2: {
    kernel: [
      [-1, 0],
      [1, 1],
      [0, 1],
    ],
    inputs: [
      [-1, 1, 0],
      [0, 1, 0],
      [0, -1, 1],
    ],
    outputs: [
      [1, 1, 0],
      [0, 1, 1],
    ],
  },
  4: {
    kernel: [
      [1 / 2, 0],
      [-1 / 2, -1 / 2],
      [-1 / 6, 1 / 6],
      [1 / 6, 1 / 3],
      [0, 1],
    ],
    inputs: [
      [2, -1, -2, 1, 0],
      [0, -2, -1, 1, 0],
      [0, 2, -3, 1, 0],
      [0, -1, 0, 1, 0],
      [0, 2, -1, -2, 1],
    ],
    outputs: [
      [1, 1, 1, 1, 0],
      [0, 1, -1, 2, 0],
      [0, 1, 1, 4, 0],
      [0, 1, -1, 8, 1],
    ],
  },
}

function transformsOf({ taps, stride, size }: Form): Transforms {
  if (taps === 1 || size === 1) return { kernel: [[1]], inputs: [[1]], outputs: [[1]] }
  return stride === 1 ? ofThreeTaps[size] : halving(size)
}

/** Three taps with a stride of 2: the outer two see every other input from the first on, a convolution of two taps; that in the middle sees the others, one for each output. */
function halving(size: 2 | 4): Transforms {
  const { kernel, inputs, outputs } = ofTwoTaps[size]
  const others = Array.from({ length: size }, (_, at) => at)
  const unit = (length: number, place: number) => Array.from({ length }, (_, at) => (at === place ? 1 : 0))
  return {
    kernel: [...kernel.map(([first, last]) => [first!, 0, last!]), ...others.map(() => [0, 1, 0])],
    inputs: [
      ...inputs.map((row) => row.flatMap((factor, at) => (at < size ? [factor, 0] : [factor]))),
      ...others.map((at) => unit(2 * size + 1, 2 * at + 1)),
    ],
    outputs: outputs.map((row, at) => [...row, ...unit(size, at)]),
  }
}

/** Places of a tile along one axis. */
export function placesOf(form: Form): number {
  return transformsOf(form).kernel.length
}

/**
 * Transforms of a whole axis: tiles that overlap, padding and the cut at the end are in the matrices. The tiles of a block stand together, in it places come
 * first, then tiles.
 */
export interface AxisTransforms {
  readonly blocks: number
  /** of a block */
  readonly tiles: number
  /** [blocks * places * tiles, inputs] */
  readonly inputs: Matrix
  /** of each block, whose outputs no other sees: [outputs / blocks, places * tiles] */
  readonly outputs: Matrix
}

/** Of an axis: how many inputs and outputs, and how many places of padding the first output sees. */
export interface Axis {
  readonly inputs: number
  readonly outputs: number
  readonly before: number
}

/** With more than one block, they must hold the same number of whole tiles. */
export function axisTransforms(form: Form, { inputs, outputs, before }: Axis, blocks: number): AxisTransforms {
  const { inputs: toPlaces, outputs: fromPlaces } = transformsOf(form)
  const { stride, size } = form
  const tiles = Math.ceil(outputs / size) / blocks
  const begins = Array.from({ length: tiles }, (_, tile) => tile * size)
  const ofBlock = (block: number) =>
    toPlaces.flatMap((row) =>
      begins.map((begin) => {
        const first = stride * (block * tiles * size + begin) - before
        return Array.from({ length: inputs }, (_, at) => row[at - first] ?? 0)
      }),
    )
  return {
    ...{ blocks, tiles },
    inputs: Array.from({ length: blocks }, (_, block) => ofBlock(block)).flat(),
    outputs: Array.from({ length: outputs / blocks }, (_, at) =>
      fromPlaces[at % size]!.flatMap((factor) => begins.map((begin) => (at - (at % size) === begin ? factor : 0))),
    ),
  }
}

/** A kernel of two axes, row by row, to the places of a tile, row by row: [places^2, taps^2]. */
export function kernelTransform(form: Form): Matrix {
  const { kernel } = transformsOf(form)
  return kronecker(kernel, kernel)
}

/** The matrix of two axes together, the last one running fastest. */
export function kronecker(rows: Matrix, columns: Matrix): Matrix {
  return rows.flatMap((a) => columns.map((b) => a.flatMap((x) => b.map((y) => x * y))))
}

export function turned(matrix: Matrix): Matrix {
  return matrix[0]!.map((_, at) => matrix.map((row) => row[at]!))
}
