/** A first run, so that no client waits for what a runtime does once. */
import type { Pipeline } from '../bundle/index.ts'
import { dtypes } from '../core/dtype.ts'
import type { NamedTensors } from '../runtime/backend.ts'

/** Runs the model on zeros and empty texts; sizes that are free, the batch before all, are 1. */
export async function warmUp(pipeline: Pick<Pipeline, 'manifest' | 'infer'>): Promise<void> {
  const feeds: NamedTensors = Object.fromEntries(
    pipeline.manifest.inputs.map(({ name, dtype, shape }) => {
      const sizes = shape.map((dim) => (typeof dim === 'number' ? dim : 1))
      const key = dtype as keyof typeof dtypes
      const count = sizes.reduce((product, dim) => product * dim, 1)
      const { array } = dtypes[key]
      return [name, { dtype: key, shape: sizes, data: array ? new array(count) : new Array<string>(count).fill('') }]
    }),
  )
  await pipeline.infer(feeds)
}
