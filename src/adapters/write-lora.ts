/** The low-rank branch beside a frozen weight, as operators. */
import { dtypeOf, type Node, shapeOf, type Value } from '../graph/graph.ts'
import { held } from '../nn/losses/held.ts'
import type { Emitter } from '../ops/emitter.ts'
import { type LoraConfig, loraParameters, scaleOf } from './lora-config.ts'
import { type AdapterContext, isDirect, type PlacedSite } from './method.ts'

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
    return g.reshape(g.matMul(low, g.reshape(a, [rank, size])), [laid.outputs, laid.inputs, ...laid.window])
  }
  const change = g.matMul(scaled(c, left(g, factors), scale, 'last'), right(g, factors))
  return laid.order === 'in-out' ? change : g.swapLast(change)
}

/** The node with W + s B A in the place of W. */
function writeWhole(c: AdapterContext, site: PlacedSite, factors: Factors, config: LoraConfig): undefined {
  const { g } = c
  const { node, rule, laid } = site
  const sum = g.add(node.inputs[rule.slot]!, changeOf(c, site, factors, config))
  const weight = factors.magnitude
    ? g.mul(sum, along(g, ratioOf(c, site, factors.magnitude, sum), laid.order, sum))
    : sum
  const inputs = node.inputs.map((value, i) => (i === rule.slot ? weight : value))
  g.builder.nodes.push({ ...node, inputs })
}

/** m / |W + s B A| by output; the lengths count as constants for the gradient (DoRA, section 4.3). */
function ratioOf(c: AdapterContext, { laid }: PlacedSite, magnitude: Value, sum: Value): Value {
  const { g } = c
  const axes =
    laid.order === 'in-out'
      ? [0]
      : shapeOf(sum)
          .map((_, i) => i)
          .slice(1)
  const lengths = g.sqrt(g.sum(g.mul(sum, sum), axes))
  return g.div(magnitude, c.training ? held(g, lengths) : lengths)
}

/** `[out]` in a shape that broadcasts against a weight. */
function along(g: Emitter, x: Value, order: 'in-out' | 'out-in', weight: Value): Value {
  return order === 'in-out'
    ? x
    : g.unsqueeze(
        x,
        shapeOf(weight)
          .map((_, i) => i)
          .slice(1),
      )
}

/** (x W + branch) m / |W + s B A| + bias */
function decomposed(c: AdapterContext, site: PlacedSite, factors: Factors, config: LoraConfig, branch: Value): Value {
  const { g } = c
  const { node, rule } = site
  const sum = g.add(node.inputs[rule.slot]!, changeOf(c, site, factors, config))
  const ratio = ratioOf(c, site, factors.magnitude!, sum)
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
  const y = g.mul(g.add(base, branch), shaped(ratio))
  const bias = rule.bias === undefined ? undefined : node.inputs[rule.bias]
  if (!bias) return y
  const { beta } = node.attributes
  const weighed = beta?.kind === 'float' && beta.value !== 1 ? g.mul(bias, beta.value) : bias
  return g.add(y, isConvolution ? shaped(weighed) : weighed)
}
