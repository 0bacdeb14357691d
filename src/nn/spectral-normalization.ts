/** Spectral normalisation: kernels with largest singular value 1, which bounds how fast a discriminator can change. */
import { QuernError } from '../core/errors.ts'
import { sizeOf } from '../core/shape.ts'
import type { Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import { type CommonOptions, type Layer, type LayerContext, layer, type ParameterSpec } from './layer.ts'
import { positiveInteger } from './options.ts'

/**
 * Divides every kernel of the layer, and of the layers in it, by its largest singular value (Miyato et al. 2018). Power iteration finds that: u is
 * carried along as a state, and each training step brings it `powerIterations` (default 1) nearer. The paths are those of the layer below
 * `layer/`, with a state `<kernel>_u` beside each kernel. Errors: `config` for a layer without kernels.
 * @example spectralNormalization(conv2d({ filters: 64, kernelSize: 4, strides: 2, padding: 1 }))
 */
export function spectralNormalization(inner: Layer, options: CommonOptions & { powerIterations?: number } = {}): Layer {
  const kind = 'spectralNormalization'
  const iterations = positiveInteger(kind, 'powerIterations', options.powerIterations ?? 1)
  let found = 0
  const parameter = (c: LayerContext, name: string, spec: ParameterSpec): Value => {
    const kernel = c.parameter(name, spec)
    if (!/kernel$/i.test(name)) return kernel
    found++
    return normalized(c, name, kernel, spec, iterations)
  }
  // Layers are told apart by identity: one that is shared stays one.
  const wrappers = new Map<Layer, Layer>()
  const wrap = (of: Layer): Layer => {
    const known = wrappers.get(of)
    if (known) return known
    const made = layer({ ...of, apply: (c, inputs) => of.apply(within(c), inputs) })
    wrappers.set(of, made)
    return made
  }
  const within = (c: LayerContext): LayerContext => ({
    ...c,
    parameter: (name, spec) => parameter(c, name, spec),
    inner: (name, of, inputs) => c.inner(name, wrap(of), inputs),
  })
  const wrapped = wrap(inner)
  return layer({
    kind,
    config: { ...options, powerIterations: iterations, layer: { kind: inner.kind, ...inner.config } },
    ...(inner.arity ? { arity: inner.arity } : {}),
    apply: (c, inputs) => {
      const before = found
      const y = c.inner('layer', wrapped, inputs)
      if (found > before) return y
      throw new QuernError('config', `${kind}: ${inner.kind} has no kernel to normalise`)
    },
  })
}

/** kernel / sigma with sigma = u' W v, W the kernel as [units, inputs of one]. */
function normalized(c: LayerContext, name: string, kernel: Value, spec: ParameterSpec, iterations: number): Value {
  const { g } = c
  const { shape, layout = 'dense' } = spec
  const axis = { dense: shape.length - 1, convolution: 0, transposedConvolution: 1 }[layout]
  const units = shape[axis]!
  const order = [axis, ...shape.map((_, i) => i).filter((i) => i !== axis)]
  const matrix = g.reshape(g.transpose(kernel, order), [units, sizeOf(shape) / units])
  let u = g.unsqueeze(c.state(`${name}_u`, { shape: [units], initializer: 'randomNormal' }), [1])
  let v = u
  for (let i = 0; i < iterations; i++) {
    v = constantUnit(g, g.gemm(matrix, u, undefined, { transA: true }))
    u = constantUnit(g, g.matMul(matrix, v))
  }
  c.update(`${name}_u`, g.squeeze(u, [1]))
  const sigma = g.reshape(g.gemm(u, g.matMul(matrix, v), undefined, { transA: true }), [])
  return g.div(kernel, sigma)
}

/** 2^30: what is lost by rounding an element of a unit vector to this part is less than float32 keeps. */
const parts = 2 ** 30

/** x / |x|, `[size, 1]`, through which no gradient flows: it goes through whole numbers. */
function constantUnit(g: Emitter, x: Value): Value {
  const norm = g.sqrt(g.add(g.sum(g.mul(x, x), [0], true), 1e-24))
  const whole = g.cast(g.mul(g.div(x, norm), parts), 'int64')
  return g.mul(g.cast(whole, 'float32'), 1 / parts)
}
