import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DType } from '../core/dtype.ts'
import { createArena, planLayout } from './arena.ts'

const float32 = (name: string, ...shape: number[]) => ({ name, dtype: 'float32' as DType, shape })

test('regions of one layout mirror each other and views write the memory', () => {
  const layout = planLayout([float32('w', 3, 5), float32('b', 5), float32('scalar')])
  const arena = createArena({ regions: { parameters: layout, gradients: layout } })
  const [parameters, gradients] = [arena.region('parameters'), arena.region('gradients')]
  gradients.view('b').data.fill(2 as never)
  for (const [name, view] of parameters.views) {
    const twin = gradients.view(name)
    const offset = (data: unknown) => (data as Float32Array).byteOffset
    expect(offset(twin.data) - gradients.byteOffset).toBe(offset(view.data) - parameters.byteOffset)
    expect(view.shape).toEqual(layout.places.get(name)!.shape)
  }
  expect(parameters.whole.every((x) => x === 0)).toBe(true)
  expect(gradients.whole.reduce((a, b) => a + b)).toBe(10)
  expect(parameters.view('scalar').data.length).toBe(1)
})

test('tensors of any dtype start on 64 bytes and never overlap', () => {
  const dtype = fc.constantFrom<DType>('float32', 'uint8', 'int32', 'int64', 'float16', 'float64', 'int4', 'bool')
  const shapes = fc.array(fc.tuple(dtype, fc.array(fc.nat(9), { maxLength: 3 })), { maxLength: 8 })
  fc.assert(
    fc.property(shapes, (list) => {
      const entries = list.map(([type, shape], i) => ({ name: `t${i}`, dtype: type, shape }))
      const layout = planLayout(entries)
      const arena = createArena({ regions: { first: layout, second: layout } })
      let end = 0
      for (const region of arena.regions.values()) {
        for (const { data } of region.views.values()) {
          const view = data as Float32Array
          expect(view.byteOffset % 64).toBe(0)
          expect(view.byteOffset).toBeGreaterThanOrEqual(end)
          end = view.byteOffset + view.byteLength
        }
      }
      expect(end).toBeLessThanOrEqual(arena.byteLength)
      expect(arena.byteLength).toBeLessThanOrEqual(arena.memory.buffer.byteLength)
    }),
  )
})

test('a plan beyond 4 GiB is refused with sizes and a way out, before memory is taken', () => {
  const layout = planLayout([float32('embedding', 400_000, 768)])
  const regions = { parameters: layout, gradients: layout, m: layout, v: layout }
  expect(() => createArena({ regions })).toThrow(
    /needs 4688 MB.*at most 4096 MB: parameters 1172 MB, gradients 1172 MB/,
  )
})

test('wrong plans and names are told apart', () => {
  expect(() => planLayout([float32('w', 2), float32('w', 3)])).toThrow("received 'w' twice")
  expect(() => planLayout([{ name: 's', dtype: 'string', shape: [2] }])).toThrow("received 's' of type string")
  expect(() => planLayout([float32('w', -1)])).toThrow('whole sizes >= 0, received [-1]')
  const arena = createArena({ regions: { parameters: planLayout([float32('dense/weight', 2)]) } })
  expect(() => arena.region('parameter')).toThrow("Did you mean 'parameters'?")
  expect(() => arena.region('parameters').view('dense/weigth')).toThrow("Did you mean 'dense/weight'?")
})
