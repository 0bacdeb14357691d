/** The low-rank branch beside a frozen weight, as operators. */
import { float32 } from '../core/tensor.ts'
import { dtypeOf, type Node, shapeOf, type Value } from '../graph/graph.ts'
import { held } from '../nn/losses/held.ts'
import type { Emitter } from '../ops/emitter.ts'
import { dequantize } from './dequantize.ts'
import { type LoraConfig, lengthsOf, loraParameters, scaleOf } from './lora-config.ts'
import { type AdapterContext, isDirect, type PlacedSite } from './method.ts'
import type { Laid } from './rules.ts'

/** The change of a weight as a map `[in, out]`: left `[in, rank]` times right `[rank, out]`. */
interface Factors {
  readonly a: Value
  readonly b: Value
  /** the weight is used with its axes swapped against its owner: B and A change places */
  readonly isSwapped: boolean
  readonly magnitude: Value | undefined
}

/** Writes the node with its branch; returns what stands for its output, undefined when the node itself was written with another weight. */
export function writeLora(c: AdapterContext, site: PlacedSite, config: LoraConfig): Value | undefined {
  const { g } = c
  const { node, rule, owner } = site
  const parameters = loraParameters(owner, config).map((parameter) => c.parameter(parameter))
  const dtype = dtypeOf(rule.form === 'lookup' ? node.outputs[0]! : node.inputs[0]!)
  const [a, b, magnitude] = parameters.map((value) => g.cast(value, dtype))
  const factors = { a: a!, b: b!, isSwapped: isDirect(site) !== isDirect(owner), magnitude }
  if (rule.form === 'whole') return writeWhole(c, site, factors, config)
  const branch = branchOf(c, site, factors, config)
  return magnitude ? decomposed(c, site, factors, config, branch) : g.add(repeated(g, node, node.inputs), branch)
}

const left = (g: Emitter, { a, b, isSwapped }: Factors): Value => (isSwapped ? b : g.swapLast(a))
const right = (g: Emitter, { a, b, isSwapped }: Factors): Value => (isSwapped ? a : g.swapLast(b))

/** The node on other inputs, as it stands but for the name of its output. */
function repeated(g: Emitter, node: Node, inputs: readonly (Value | undefined)[]): Value {
  return g.repeat(node, inputs)[0]!
}

/** What the change of the weight adds to the output. */
function branchOf(c: AdapterContext, site: PlacedSite, factors: Factors, config: LoraConfig): Value {
  const { g } = c
  const { node, rule, laid } = site
  const scale = scaleOf(config) * laid.factor
  if (rule.form === 'convolution') {
    const low = scaled(c, repeated(g, node, [dropped(c, node.inputs[0]!, config), factors.a]), scale, 'first')
    return g.op('Conv', [low, factors.b], { kernel_shape: laid.window.map(() => 1) })
  }
  if (rule.form === 'lookup') {
    const low = g.op('Gather', [left(g, factors), node.inputs[1]], { axis: 0 })
    return g.matMul(scaled(c, low, scale, 'last'), right(g, factors))
  }
  const turned = node.attributes.transA
  const x = turned?.kind === 'int' && turned.value !== 0 ? g.swapLast(node.inputs[0]!) : node.inputs[0]!
  const low = g.matMul(dropped(c, x, config), left(g, factors))
  return g.matMul(scaled(c, low, scale, 'last'), right(g, factors))
}

function dropped(c: AdapterContext, x: Value, { dropout }: LoraConfig): Value {
  return c.training && dropout > 0 ? c.g.mul(x, c.dropoutMask(shapeOf(x), dropout)) : x
}

/** Low-rank values times the method's factor, or those of the run; the rank is their last axis, or the one behind the batch. */
function scaled({ g, gate }: AdapterContext, low: Value, scale: number, rank: 'first' | 'last'): Value {
  if (!gate) return scale === 1 ? low : g.mul(low, scale)
  const others = Array.from({ length: shapeOf(low).length - 2 }, (_, i) => i + (rank === 'last' ? 1 : 2))
  return g.mul(low, g.unsqueeze(gate, others))
}

/** The change of the weight in the layout of its input. */
function changeOf(c: AdapterContext, { laid, rule }: PlacedSite, factors: Factors, config: LoraConfig): Value {
  const { g } = c
  const { a, b } = factors
  const scale = scaleOf(config)
  if (laid.window.length > 0 || rule.form === 'convolution') {
    const rank = shapeOf(b)[1]!
    const size = laid.window.reduce((product, n) => product * n, laid.inputs)
    const low = scaled(c, g.reshape(b, [laid.outputs, rank]), scale, 'last')
    const change = g.reshape(g.matMul(low, g.reshape(a, [rank, size])), [laid.outputs, laid.inputs, ...laid.window])
    return laid.order === 'out-in' ? change : g.transpose(change, [1, 0, ...laid.window.map((_, i) => i + 2)])
  }
  const change = g.matMul(scaled(c, left(g, factors), scale, 'last'), right(g, factors))
  return laid.order === 'in-out' ? change : g.swapLast(change)
}

/** The node with W + s B A in the place of W. */
function writeWhole(c: AdapterContext, site: PlacedSite, factors: Factors, config: LoraConfig): undefined {
  const { g } = c
  const { node, rule, laid } = site
  const given = node.inputs[rule.slot]!
  // Gates of recurrent operators have their directions in front.
  const isMatrix = laid.window.length > 0 || shapeOf(given).length === 2
  const own = isMatrix ? given : g.reshape(given, [laid.outputs, laid.inputs])
  const sum = g.add(own, changeOf(c, site, factors, config))
  const changed = factors.magnitude ? g.mul(sum, along(g, ratioOf(c, site, factors.magnitude, sum), laid, sum)) : sum
  const weight = isMatrix ? changed : g.reshape(changed, shapeOf(given))
  const inputs = node.inputs.map((value, i) => (i === rule.slot ? weight : value))
  g.builder.nodes.push({ ...node, inputs })
}

/** m / |W + s B A| by output; the lengths count as constants for the gradient (DoRA, section 4.3). */
function ratioOf(c: AdapterContext, { laid }: PlacedSite, magnitude: Value, sum: Value): Value {
  const { g } = c
  const axes = shapeOf(sum).flatMap((_, i) => (i === outputAxis(laid) ? [] : [i]))
  return ratio(c, magnitude, g.sum(g.mul(sum, sum), axes))
}

function ratio({ g, training }: AdapterContext, magnitude: Value, squares: Value): Value {
  const lengths = g.sqrt(squares)
  return g.div(magnitude, training ? held(g, lengths) : lengths)
}

/** Along which a weight's outputs lie. */
const outputAxis = ({ order }: Laid): 0 | 1 => (order === 'in-out' ? 1 : 0)

/**
 * The same for a weight that is packed, without unpacking it: |W + s B A|^2 = |W|^2 + 2 s B (A W) + s^2 |B A|^2 by output, where A W is what the
 * operator makes of A.
 */
function packedRatioOf(c: AdapterContext, site: PlacedSite, { a, b, magnitude }: Factors, config: LoraConfig): Value {
  const { g } = c
  const { node, rule, laid, owner } = site
  const scale = scaleOf(config)
  const own = lengthsOf(dequantize(owner), owner).map((length) => length ** 2)
  const squares = g.constant(float32([laid.outputs], Float32Array.from(own)), `${site.name}_squares`)
  const [slot] = node.inputs
  const low = g.cast(repeated(g, node, [a, ...node.inputs.slice(1, rule.bias)]), dtypeOf(slot!))
  const mixed = g.sum(g.mul(b, g.swapLast(low)), [1])
  const change = g.sum(g.mul(g.matMul(b, g.matMul(a, g.swapLast(a))), b), [1])
  const sum = g.add(g.add(squares, g.mul(mixed, 2 * scale)), g.mul(change, scale * scale))
  return ratio(c, magnitude!, sum)
}

/** `[out]` in a shape that broadcasts against a weight. */
function along(g: Emitter, x: Value, laid: Laid, weight: Value): Value {
  const behind = shapeOf(weight).flatMap((_, i) => (i > outputAxis(laid) ? [i - outputAxis(laid)] : []))
  return behind.length === 0 ? x : g.unsqueeze(x, behind)
}

/** (x W + branch) m / |W + s B A| + bias */
function decomposed(c: AdapterContext, site: PlacedSite, factors: Factors, config: LoraConfig, branch: Value): Value {
  const { g } = c
  const { node, rule } = site
  const factor = rule.packed
    ? packedRatioOf(c, site, factors, config)
    : ratioOf(c, site, factors.magnitude!, g.add(node.inputs[rule.slot]!, changeOf(c, site, factors, config)))
  const isConvolution = rule.form === 'convolution'
  // Behind a convolution outputs are the second axis, everywhere else the last one.
  const shaped = (x: Value) =>
    isConvolution
      ? g.unsqueeze(
          x,
          shapeOf(branch)
            .map((_, i) => i)
            .slice(1, -1),
        )
      : x
  const base = repeated(g, node, rule.bias === undefined ? node.inputs : node.inputs.slice(0, rule.bias))
  const y = g.mul(g.add(base, branch), shaped(factor))
  const bias = rule.bias === undefined ? undefined : node.inputs[rule.bias]
  if (!bias) return y
  const { beta } = node.attributes
  const weighed = beta?.kind === 'float' && beta.value !== 1 ? g.mul(bias, beta.value) : bias
  return g.add(y, isConvolution ? shaped(weighed) : weighed)
}
