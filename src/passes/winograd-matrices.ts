/**
 * The matrices of Winograd's F(2, 3) and F(4, 3): what takes inputs, kernels and products of tiles from one to the other. Source: Lavin & Gray 2016,
 * Fast Algorithms for Convolutional Neural Networks, sections 4.1 and 4.3.
 */

export type Matrix = readonly (readonly number[])[]

/** Outputs of a tile along one axis. */
export type TileSize = 2 | 4

export const tileSizes: readonly TileSize[] = [2, 4]

interface Transforms {
  /** G: a kernel along one axis to its places */
  readonly kernel: Matrix
  /** B': the inputs of a tile to their places */
  readonly inputs: Matrix
  /** A': places to the outputs of a tile */
  readonly outputs: Matrix
}

const transforms: Readonly<Record<TileSize, Transforms>> = {
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

/** Transforms of a whole axis: tiles that overlap, padding and the cut at the end are in the matrices. Places come first, then tiles. */
export interface AxisTransforms {
  readonly tiles: number
  /** [places * tiles, inputs] */
  readonly inputs: Matrix
  /** [outputs, places * tiles] */
  readonly outputs: Matrix
}

/** The transforms of an axis with so many inputs and outputs, of which the first output sees `before` places of padding. */
export function axisTransforms(size: TileSize, inputs: number, outputs: number, before: number): AxisTransforms {
  const { inputs: toPlaces, outputs: fromPlaces } = transforms[size]
  const tiles = Math.ceil(outputs / size)
  const begins = Array.from({ length: tiles }, (_, tile) => tile * size)
  return {
    tiles,
    inputs: toPlaces.flatMap((row) =>
      begins.map((begin) => Array.from({ length: inputs }, (_, at) => row[at + before - begin] ?? 0)),
    ),
    outputs: Array.from({ length: outputs }, (_, at) =>
      fromPlaces[at % size]!.flatMap((factor) => begins.map((begin) => (at - (at % size) === begin ? factor : 0))),
    ),
  }
}

/** A kernel of 3 x 3, row by row, to the places of a tile, row by row: [places^2, 9]. */
export function kernelTransform(size: TileSize): Matrix {
  const { kernel } = transforms[size]
  return kernel.flatMap((a) => kernel.map((b) => a.flatMap((x) => b.map((y) => x * y))))
}
