/** The classes that `fineTune` counts in its targets. */
import { expect, it } from 'vitest'
import { clouds, drained, sidesOf, trainedOn } from '../../test/clouds.ts'

it('takes more examples than a call takes arguments', async () => {
  const count = 150_000
  const all = sidesOf(clouds(count))
  const { result } = await drained(await trainedOn(clouds(80)), { ...all, epochs: 1, batchSize: 50_000 })
  expect(result.parameters.get('head/output/bias')!.shape).toEqual([2])
})
