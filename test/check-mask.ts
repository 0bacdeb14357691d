/** What becomes of a padding mask in a layer. */
import { expect } from 'vitest'
import type { DType } from '../src/core/dtype.ts'
import type { StaticShape } from '../src/core/shape.ts'
import { float32, type Tensor } from '../src/core/tensor.ts'
import { type Layer, layer } from '../src/nn/layer.ts'
import { maskOf, setMask } from '../src/nn/mask.ts'
import { trace } from '../src/nn/trace.ts'
import { table } from '../src/ops/index.ts'
import { noise, runLayer } from './run-layer.ts'

/** The first input with its second as its mask, numbers in the padding as they are, then the layer. */
function marked(inner: Layer, seen?: (handedOn: boolean) => void): Layer {
  return layer({
    kind: 'marked',
    config: {},
    arity: 'many',
    apply: (c, [x, mask, ...others]) => {
      const own = setMask(c.g.op('Identity', [x]), mask!)
      const y = c.inner('layer', inner, [own, ...others])
      seen?.(maskOf(y) !== undefined)
      return y
    },
  })
}

/** A layer that says so hands the mask of its first input on. */
export function checkMaskHandedOn(inner: Layer, inputs: readonly StaticShape[], dtype: DType): void {
  const [first = [], ...others] = inputs
  if (!inner.keepsMask || first.length === 0) return
  const types = [first, [first[0]!], ...others].map((shape, i) => ({
    name: `x${i}`,
    type: { dtype: i === 1 ? ('float32' as const) : dtype, shape: [2, ...shape] },
  }))
  let found: boolean | undefined
  const whole = marked(inner, (handedOn) => {
    found = handedOn
  })
  trace(whole, types, { table, training: false })
  expect(found, 'the mask is handed on').toBe(true)
}

/** Of sequences of all and of two steps, what comes out does not depend on what stands in the padding. */
export async function checkMaskRead(inner: Layer, [time, features]: StaticShape, output: StaticShape): Promise<void> {
  const mask = float32(
    [2, time!],
    Array.from({ length: 2 * time! }, (_, i) => (i < time! || i % time! < 2 ? 1 : 0)),
  )
  const run = async (padding: number): Promise<Float32Array> => {
    const x = noise(1, [2, time!, features!], 2)
    const data = x.data.map((v, i) => ((mask.data as Float32Array)[Math.floor(i / features!)] === 0 ? padding : v))
    const { y } = await runLayer(marked(inner), {
      inputs: [float32([2, time!, features!], data), mask],
      parameter: (path, shape): Tensor => noise(path.length, shape, 0.5),
      training: false,
    })
    return y.data as Float32Array
  }
  const [a, b] = [await run(0), await run(1.5)]
  // Outputs of padded steps are nobody's business.
  const isStep = output.length === 2 && output[0] === time
  const width = output.at(-1)!
  const real = (data: Float32Array) =>
    data.filter((_, i) => !isStep || (mask.data as Float32Array)[Math.floor(i / width)] === 1)
  expect(real(a)).toEqual(real(b))
  const unmasked = await runLayer(inner, {
    inputs: [noise(1, [2, time!, features!], 2)],
    parameter: (path, shape): Tensor => noise(`layer/${path}`.length, shape, 0.5),
    training: false,
  })
  expect(unmasked.y.data, 'the mask changes something').not.toEqual(a)
}
