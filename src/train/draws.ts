/** Random numbers of a step: where they are drawn to, and from which stream. What is drawn depends on (seed, site, step) alone. */
import type { Random } from '../core/random.ts'
import { type StaticShape, sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { shapeOf } from '../graph/graph.ts'
import type { ResolvedDistribution } from '../nn/distribution.ts'
import type { TracedDraw } from '../nn/trace.ts'
import { type Layout, planLayout, type Region } from '../runtime/arena.ts'
import type { Kernels } from '../runtime/kernels/kernels.ts'

export interface Draw {
  readonly address: number
  readonly count: number
  readonly stream: number
  readonly distribution: ResolvedDistribution
}

const staticShape = ({ value }: TracedDraw) => shapeOf(value) as StaticShape

/** Room for the numbers of a graph: those of a smaller batch use the first part. */
export function layoutOfDraws(draws: readonly TracedDraw[]): Layout {
  return planLayout(draws.map((draw) => ({ name: draw.site, dtype: 'float32', shape: staticShape(draw) })))
}

export function drawsOf(draws: readonly TracedDraw[], { byteOffset, layout }: Region, random: Random): readonly Draw[] {
  return draws.map((draw) => ({
    address: byteOffset + layout.places.get(draw.site)!.byteOffset,
    count: sizeOf(staticShape(draw)),
    // Dropout's streams are named as they were when it was all that drew.
    stream: random.fork(draw.distribution.name === 'dropout' ? 'dropout' : 'random').fork(draw.site).stream,
    distribution: draw.distribution,
  }))
}

/** The numbers as inputs of the graph, by the names of its values. */
export function feedsOfDraws(draws: readonly TracedDraw[], region: Region): Record<string, Tensor> {
  return Object.fromEntries(
    draws.map((draw) => {
      const [shape, { dtype, data }] = [staticShape(draw), region.view(draw.site)]
      return [draw.value.name, { dtype, shape, data: (data as Float32Array).subarray(0, sizeOf(shape)) }]
    }),
  )
}

/** @param step below 2^32: tells the draws of one site apart */
export function draw(kernels: Kernels, draws: readonly Draw[], seed: number, step: number): void {
  for (const { address, count, stream, distribution } of draws) {
    const key = { seed, stream, step }
    if (distribution.name === 'dropout') kernels.dropoutMask(address, count, key, distribution.rate)
    else if (distribution.name === 'normal') {
      kernels.normal(address, count, key, distribution.mean, distribution.deviation)
    } else kernels.uniform(address, count, key, distribution.low, distribution.high)
  }
}
