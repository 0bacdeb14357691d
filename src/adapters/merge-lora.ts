/** W + s B A as numbers. */
import { QuernError } from '../core/errors.ts'
import { sizeOf } from '../core/shape.ts'
import { float32, type Tensor } from '../core/tensor.ts'
import type { Value } from '../graph/graph.ts'
import { type LoraConfig, lengthsOf, loraPaths, outputOf, scaleOf } from './lora-config.ts'
import { isDirect, type PlacedSite } from './method.ts'

/** The constant with the adapter in it. Sums are taken in float64 and rounded once. */
export function mergedLora(
  site: PlacedSite,
  elements: ReadonlyMap<string, Tensor>,
  config: LoraConfig,
): ReadonlyMap<Value, Tensor> {
  const { weight, name, owner } = site
  const constant = weight.constant!
  refuseQuantized(site)
  const { inputs, outputs, window } = owner.laid
  const paths = loraPaths(name)
  const [a, b] = [elements.get(paths.a)!.data as Float32Array, elements.get(paths.b)!.data as Float32Array]
  const fanIn = inputs * sizeOf(window)
  const rank = a.length / fanIn
  // Of the element of input (and place in the window) i and output o.
  const size = sizeOf(window)
  const placeOf = isDirect(owner)
    ? (i: number, o: number) => (Math.floor(i / size) * outputs + o) * size + (i % size)
    : (i: number, o: number) => o * fanIn + i
  const scale = scaleOf(config)
  const sum = Float64Array.from(constant.data as Float32Array)
  for (let o = 0; o < outputs; o++) {
    for (let k = 0; k < rank; k++) {
      const factor = scale * b[o * rank + k]!
      if (factor === 0) continue
      for (let i = 0; i < fanIn; i++) sum[placeOf(i, o)]! += factor * a[k * fanIn + i]!
    }
  }
  const magnitude = config.decomposed ? (elements.get(paths.magnitude)!.data as Float32Array) : undefined
  if (magnitude) {
    const [lengths, output] = [lengthsOf(sum, owner), outputOf(owner)]
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i]! * magnitude[output(i)]!) / lengths[output(i)]!
  }
  return new Map([[weight, float32(constant.shape, Float32Array.from(sum))]])
}

/** An adapter can only be taken up by numbers that can hold it. */
export function refuseQuantized({ weight, name, isQuantized }: PlacedSite): void {
  const { constant } = weight
  if (!isQuantized && constant?.dtype === 'float32') return
  throw new QuernError('unsupported', `the adapter of '${name}' cannot be merged: the weight is ${constant?.dtype}`, {
    hint: 'Keep the adapter beside it, or take it to the graph of float32 weights from which that was made: readPeft(floats, writePeft(graph, adapter), { anyBase: true }), then mergeAdapter(floats, ..., { anyBase: true }).',
  })
}
