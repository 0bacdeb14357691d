/**
 * Recurrent layers over `[batch, time, features]`. Training and the exported model both use ONNX' RNN, LSTM and GRU, so they give the
 * same numbers. Kernels are stored as those operators take them, `[gates * units, in]`, the transpose of Keras'; the gates stand
 * in ONNX' order: i, o, f, c for LSTM (Keras: i, f, c, o) and z, r, h for GRU (as in Keras). Of a sequence with padding (masking, embedding with
 * maskZero) the real steps alone are read: the last output is that of the last of them, the outputs of padding are 0.
 */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import type { Emitter } from '../ops/emitter.ts'
import type { PlainAttributes } from '../ops/op.ts'
import type { Initializer } from './initializers.ts'
import {
  type CommonOptions,
  type Layer,
  type LayerContext,
  layer,
  type PlainConfig,
  type Regularizer,
} from './layer.ts'
import { lengthsOf, maskOf } from './mask.ts'
import { positiveInteger } from './options.ts'

export interface RecurrentOptions extends CommonOptions {
  /** size of the state */
  readonly units: number
  /** all outputs, `[batch, time, units]`, instead of the last one, `[batch, units]`; default false */
  readonly returnSequences?: boolean
  /** takes the sequence from its end; the outputs come in that order too. Default false */
  readonly goBackwards?: boolean
  readonly useBias?: boolean
  /** default glorotUniform */
  readonly kernelInitializer?: Initializer
  /** default orthogonal */
  readonly recurrentInitializer?: Initializer
  readonly biasInitializer?: Initializer
  readonly kernelRegularizer?: Regularizer
  readonly recurrentRegularizer?: Regularizer
}

export interface SimpleRnnOptions extends RecurrentOptions {
  /** default tanh */
  readonly activation?: 'tanh' | 'relu'
}

export interface LstmOptions extends RecurrentOptions {
  /** the forget gate's bias starts at 1 (Jozefowicz et al. 2015) unless biasInitializer is given; default true */
  readonly unitForgetBias?: boolean
}

export interface GruOptions extends RecurrentOptions {
  /** the reset gate acts behind the recurrent product, as in cuDNN and PyTorch; default true */
  readonly resetAfter?: boolean
}

/** What tells one kind of cell from another. */
interface Cell {
  readonly op: 'RNN' | 'LSTM' | 'GRU'
  readonly gates: number
  readonly attributes: PlainAttributes
  /** the biases of kernel and recurrent kernel are two, `[2, gates * units]`, or one, `[gates * units]` */
  readonly biases: 1 | 2
  readonly biasInitializer: Initializer
}

/** h' = tanh(x W + h R + b). */
export function simpleRNN(options: SimpleRnnOptions): Layer {
  const { activation = 'tanh' } = options
  if (activation !== 'tanh' && activation !== 'relu') {
    throw new QuernError('config', `simpleRNN: activation must be 'tanh' or 'relu', received '${activation as string}'`)
  }
  const attributes: PlainAttributes = activation === 'relu' ? { activations: ['Relu'] } : {}
  const cell: Cell = { op: 'RNN', gates: 1, attributes, biases: 1, biasInitializer: 'zeros' }
  return recurrent('simpleRNN', cell, options, { activation })
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber 1997): i, o, f = sigmoid(x W + h R + b), c' = f c + i tanh(x W + h R + b),
 * h' = o tanh(c').
 */
export function lstm(options: LstmOptions): Layer {
  const { unitForgetBias = true } = options
  const biasInitializer: Initializer = unitForgetBias ? { name: 'blocks', values: [0, 0, 1, 0] } : 'zeros'
  const cell: Cell = { op: 'LSTM', gates: 4, attributes: {}, biases: 1, biasInitializer }
  return recurrent('lstm', cell, options, { unitForgetBias })
}

/**
 * Gated recurrent unit (Cho et al. 2014): z, r = sigmoid(x W + h R + b), h' = (1 - z) n + z h with n = tanh(x W + b + r (h R + b'))
 * or, without resetAfter, n = tanh(x W + (r h) R + b).
 */
export function gru(options: GruOptions): Layer {
  const { resetAfter = true } = options
  const attributes = { linear_before_reset: resetAfter ? 1 : 0 }
  const cell: Cell = { op: 'GRU', gates: 3, attributes, biases: resetAfter ? 2 : 1, biasInitializer: 'zeros' }
  return recurrent('gru', cell, options, { resetAfter })
}

/** Cells by the layer that writes them; bidirectional asks. */
const cells = new WeakMap<Layer, { readonly cell: Cell; readonly options: RecurrentOptions }>()

function recurrent(kind: string, cell: Cell, given: RecurrentOptions, own: PlainConfig): Layer {
  const options = {
    ...given,
    units: positiveInteger(kind, 'units', given.units),
    returnSequences: given.returnSequences ?? false,
    goBackwards: given.goBackwards ?? false,
    useBias: given.useBias ?? true,
    kernelInitializer: given.kernelInitializer ?? 'glorotUniform',
    recurrentInitializer: given.recurrentInitializer ?? 'orthogonal',
  }
  const { returnSequences, goBackwards } = options
  const made = layer({
    kind,
    config: { ...options, ...own },
    ...(returnSequences && !goBackwards ? { keepsMask: 'first' } : {}),
    apply: (c, [x]) => {
      const { g } = c
      if (returnSequences && goBackwards && maskOf(x!)) {
        throw new QuernError('unsupported', `${kind}: goBackwards with returnSequences puts the padding in front`, {
          hint: 'Use bidirectional, or take the last output alone.',
        })
      }
      const y = write(c, kind, cell, options, x!)
      return returnSequences && goBackwards ? turned(g, y) : y
    },
  })
  cells.set(made, { cell, options })
  return made
}

/** The outputs in the order of time, `[batch, time, units]`, or the last one, `[batch, units]`. */
function write(c: LayerContext, kind: string, cell: Cell, options: RecurrentOptions, x: Value): Value {
  const { g } = c
  const shape = shapeOf(x)
  const size = shape[2]
  if (shape.length !== 3 || typeof size !== 'number') {
    throw new QuernError('input', `${kind} needs [batch, time, features], received ${formatShape(shape)}`, {
      hint: 'reshape() or embedding() make such an input.',
    })
  }
  const { units, kernelInitializer = 'glorotUniform', recurrentInitializer = 'orthogonal' } = options
  const rows = cell.gates * units
  const kernel = c.parameter('kernel', {
    shape: [rows, size],
    initializer: kernelInitializer,
    layout: 'convolution',
    regularizer: options.kernelRegularizer,
  })
  const recurrentKernel = c.parameter('recurrentKernel', {
    shape: [rows, units],
    initializer: recurrentInitializer,
    layout: 'convolution',
    regularizer: options.recurrentRegularizer,
  })
  const bias = options.useBias === false ? undefined : biasOf(c, cell, options)
  const mask = maskOf(x)
  const lengths = mask && lengthsOf(g, mask)
  const kernels = [g.unsqueeze(kernel, [0]), g.unsqueeze(recurrentKernel, [0])]
  const inputs = [g.transpose(x, [1, 0, 2]), ...kernels, bias, lengths]
  const direction = options.goBackwards ? 'reverse' : 'forward'
  // The gradient reads all outputs: they are asked for even when the last one is all that is returned.
  const [all, last] = g.ops(cell.op, inputs, { hidden_size: units, direction, ...cell.attributes }, 2)
  return options.returnSequences ? g.transpose(g.squeeze(all!, [1]), [1, 0, 2]) : g.squeeze(last!, [0])
}

/** `[1, 2 * gates * units]`: ONNX has a bias for each kernel, Keras mostly one for both. */
function biasOf(c: LayerContext, cell: Cell, options: RecurrentOptions): Value {
  const { g } = c
  const rows = cell.gates * options.units
  const bias = c.parameter('bias', {
    shape: cell.biases === 2 ? [2, rows] : [rows],
    initializer: options.biasInitializer ?? cell.biasInitializer,
    decay: false,
  })
  const both = cell.biases === 2 ? bias : g.concat([bias, g.full([rows], 0)], 0)
  return g.reshape(both, [1, 2 * rows])
}

/** The sequence from its end. */
function turned(g: Emitter, x: Value): Value {
  return g.slice(x, [-1], [-(2 ** 31)], [1], [-1])
}

export type MergeMode = 'concat' | 'sum' | 'mul' | 'ave'

export interface BidirectionalOptions extends CommonOptions {
  /** simpleRNN, lstm or gru; a second one of its options, with parameters of its own, reads from the other end */
  readonly layer: Layer
  /** how the outputs of both directions become one; default concat, of the features */
  readonly mergeMode?: MergeMode
}

const merges: Readonly<Record<MergeMode, (g: Emitter, a: Value, b: Value) => Value>> = {
  concat: (g, a, b) => g.concat([a, b], shapeOf(a).length - 1),
  sum: (g, a, b) => g.add(a, b),
  mul: (g, a, b) => g.mul(a, b),
  ave: (g, a, b) => g.mul(g.add(a, b), 0.5),
}

/**
 * A recurrent layer from both ends (Schuster & Paliwal 1997). Sequences are joined step by step, each at its own place; without
 * returnSequences the two last outputs are, which have each read everything.
 * @example bidirectional({ layer: lstm({ units: 32 }) })      // [batch, time, features] -> [batch, 64]
 */
export function bidirectional(options: BidirectionalOptions): Layer {
  const { layer: inner, mergeMode = 'concat', ...rest } = options
  const found = cells.get(inner)
  if (!found) {
    // Keras takes the layer itself: so does who comes from there.
    const received = typeof options === 'function' ? 'a layer in place of options' : (inner?.kind ?? 'none')
    throw new QuernError('config', `bidirectional takes simpleRNN, lstm or gru, received ${received}`, {
      hint: 'Give it by name: bidirectional({ layer: lstm({ units: 32 }) }).',
    })
  }
  if (!Object.hasOwn(merges, mergeMode)) {
    const names = Object.keys(merges).join("', '")
    throw new QuernError('config', `bidirectional: mergeMode must be '${names}', received '${mergeMode as string}'`)
  }
  const { cell, options: own } = found
  // Both give their outputs in the order of time, whichever end they start from.
  const towards = (goBackwards: boolean): Layer =>
    layer({
      kind: inner.kind,
      config: { ...inner.config, goBackwards },
      apply: (c, [x]) => write(c, inner.kind, cell, { ...own, goBackwards }, x!),
    })
  const [first, second] = [towards(own.goBackwards ?? false), towards(!own.goBackwards)]
  const config: PlainConfig = { ...rest, mergeMode, layer: { kind: inner.kind, ...inner.config } }
  return layer({
    kind: 'bidirectional',
    config,
    ...(own.returnSequences ? { keepsMask: 'first' } : {}),
    apply: (c, [x]) => merges[mergeMode](c.g, c.inner('forward', first, [x!]), c.inner('backward', second, [x!])),
  })
}
