/**
 * A model that somebody exported, as a layer: applying it writes the nodes of its graph, with the file's names, on whatever flows in. Weights that
 * are trained become parameters that start from the file's values; the others stay constants of the graph, so that they cost no arena, no
 * gradient and no optimiser slot.
 */
import { QuernError } from '../../core/errors.ts'
import { type Dim, isStatic, sizeOf } from '../../core/shape.ts'
import { numbersOf, type Tensor } from '../../core/tensor.ts'
import type { Graph, Value } from '../../graph/graph.ts'
import { table as everyOperator } from '../../ops/index.ts'
import type { OpTable } from '../../ops/op.ts'
import { isQuantizedOperator } from '../../ops/weight-inputs.ts'
import { cut } from '../../passes/cut.ts'
import { dropoutOff } from '../../passes/dropout-off.ts'
import { type CommonOptions, type InputSpec, type Layer, layer, type ParameterSpec } from '../layer.ts'
import { type Blocked, blockedValues, whyBlocking } from './blockers.ts'
import { writeImported } from './emit.ts'
import { type ImportedLayer, type ImportedWeight, importedLayers, importedWeights } from './layers.ts'
import { selectWeights, type WeightSelection } from './selection.ts'

export interface ImportedOptions extends CommonOptions {
  /** weights that are trained; the others are constants. Default 'all' */
  readonly train?: WeightSelection
  /** the model ends at this value (or node) in place of its own output: 'flatten_output' */
  readonly output?: string
  /** the model begins at these values (or nodes) in place of its own inputs */
  readonly inputs?: readonly string[]
  /**
   * dropout while training, behind the values (or nodes) of these names, at these rates. Dropout nodes of the file behind a trained weight drop
   * at their own rate in any case, unless this is false.
   */
  readonly dropout?: false | Readonly<Record<string, number>> | undefined
  /**
   * 'frozen' (default): batch normalisation uses the statistics of the file in training too. 'batch': where a trained weight lies before or in it,
   * it uses those of the batch, and the file's move along, with this share kept at each step
   */
  readonly batchNormalization?: 'frozen' | 'batch' | { readonly momentum: number } | undefined
  /** tells files apart in configurations and fingerprints, such as the sha256 of the file */
  readonly hash?: string | undefined
  /** false: for answers alone; operators without a gradient behind the named weights are then no error */
  readonly differentiable?: boolean
  /** default: all operators that Quern knows */
  readonly table?: OpTable | undefined
}

export interface ImportedModel extends Layer {
  readonly inputs: readonly InputSpec[]
  /** names of its outputs, where there are several */
  readonly outputs?: readonly string[]
  /** the part of the file's graph that is applied, weights as constants */
  readonly graph: Graph
  readonly layers: readonly ImportedLayer[]
  /** names of the weights that are trained */
  readonly trained: ReadonlySet<string>
  /** dimensions that the file leaves open are undefined; the batch axis is left out */
  readonly inputShapes: readonly (readonly (number | undefined)[])[]
}

/**
 * A layer of a graph that `readModel` has read (without `parameters`: weights as constants). Its parameters are named as in the file, with the
 * layer's own path in front where it stands in a model.
 *
 * Errors: 'config' for names, patterns and depths that the graph does not have; 'unsupported' for an operator without a gradient between
 * what is trained and the output (named, with the layers that can be trained) and for string inputs; 'input' for a model whose weights
 * are quantised when nothing else could be trained. When it is applied: 'input' for data whose type or sizes are not the model's.
 *
 * @example
 * const { graph } = await readModel(bytes)
 * const backbone = importedModel(graph, { output: 'flatten_output', train: { last: 2 } })
 * const net = sequential([backbone, dense({ units: 3 })])
 */
export function importedModel(graph: Graph, options: ImportedOptions = {}): ImportedModel {
  const { train = 'all', output, inputs, hash, table = everyOperator, dropout = {} } = options
  const ends = { ...(output !== undefined && { outputs: [output] }), ...(inputs && { inputs }) }
  const part = dropoutOff(cut(graph, ends))
  checkInputs(part)
  const layers = importedLayers(part)
  const trained = selectWeights(layers, train, 'train')
  const weights = importedWeights(layers).filter(({ name }) => trained.has(name))
  if (train !== 'none' && weights.length === 0) refuseUntrainable(part)
  if (options.differentiable !== false) refuseBlocked(part, { layers, weights, table })
  const drops = dropoutSites(part, dropout)
  const { batchNormalization = 'frozen' } = options
  const momentum =
    batchNormalization === 'frozen' ? undefined : batchNormalization === 'batch' ? 0.9 : batchNormalization.momentum
  const write = (c: Parameters<typeof writeImported>[0], given: readonly Value[]) =>
    writeImported(c, given, {
      graph: part,
      weights: new Map(weights.map((weight) => [weight.value, specOf(weight)])),
      dropout: drops,
      restoresDropout: dropout !== false,
      momentum,
    })
  const names = part.outputs.map(({ name }) => name)
  const made = layer({
    kind: 'importedModel',
    arity: part.inputs.length === 1 ? 'one' : 'many',
    config: configOf(part, options, hash, trained),
    apply: (c, given) => {
      if (names.length === 1) return write(c, given)[0]!
      throw new QuernError('config', `the imported model has several outputs: ${names.join(', ')}`, {
        hint: `Say which one to go on with: importedModel(graph, { output: '${names[0]}' }).`,
      })
    },
    ...(names.length > 1 && {
      applyAll: (c, given) => Object.fromEntries(write(c, given).map((value, i) => [names[i]!, value])),
    }),
  })
  return Object.assign(made, {
    ...{ graph: part, layers, trained, inputs: inputSpecs(part) },
    inputShapes: part.inputs.map(({ type }) => (type?.shape ?? []).slice(1).map(numberOf)),
    ...(names.length > 1 && { outputs: names }),
  })
}

const numberOf = (dim: Dim): number | undefined => (typeof dim === 'number' ? dim : undefined)

/** Inputs by name, for models whose sizes are all known; those that are not have an empty shape, which nothing reads. */
function inputSpecs({ inputs }: Graph): readonly InputSpec[] {
  return inputs.map(({ name, type }) => {
    const shape = (type?.shape ?? []).slice(1)
    return { name, dtype: type?.dtype ?? 'float32', shape: isStatic(shape) ? shape : [] }
  })
}

function configOf(graph: Graph, options: ImportedOptions, hash: string | undefined, trained: ReadonlySet<string>) {
  const { name, output, inputs, dropout, batchNormalization } = options
  const plain = { name, output, inputs, dropout, batchNormalization, hash }
  const given = Object.fromEntries(Object.entries(plain).filter(([, value]) => value !== undefined))
  return { ...given, graph: graph.name, train: [...trained] }
}

function specOf({ elements }: ImportedWeight): ParameterSpec {
  return { shape: elements.shape, initializer: { name: 'given', elements: floatsOf(elements) } }
}

/** Weights of another float type are trained as float32 and cast where they are used. */
function floatsOf(elements: Tensor): Float32Array {
  return elements.dtype === 'float32' ? (elements.data as Float32Array) : Float32Array.from(numbersOf(elements))
}

function checkInputs({ inputs, name }: Graph): void {
  if (inputs.length === 0) {
    throw new QuernError('config', `the part of the model '${name}' that is left needs no input`)
  }
  const text = inputs.find(({ type }) => type?.dtype === 'string')
  if (text) {
    throw new QuernError(
      'unsupported',
      `the input '${text.name}' of the model '${name}' takes strings: a model that is trained takes numbers`,
      { hint: "Begin behind what turns text into numbers: importedModel(graph, { inputs: ['token_ids'] })." },
    )
  }
  const other = inputs.find(({ container }) => container)
  if (other) {
    throw new QuernError('unsupported', `the input '${other.name}' of the model '${name}' is no tensor`, {
      hint: 'Begin at values that are tensors: importedModel(graph, { inputs: [...] }).',
    })
  }
}

function refuseUntrainable(graph: Graph): never {
  const quantized = graph.nodes.find(isQuantizedOperator)
  if (quantized) {
    throw new QuernError(
      'input',
      `the model '${graph.name}' is quantised already: ${quantized.op} at '${quantized.name}' computes with integers, which have no gradient`,
      {
        hint: "Start from the file of floating-point weights, or keep it as it is and train a head behind it: train: 'none'.",
      },
    )
  }
  const inner = graph.nodes.find(({ attributes }) => Object.values(attributes).some(({ kind }) => kind === 'graph'))
  if (inner) {
    throw new QuernError(
      'unsupported',
      `the weights of the model '${graph.name}' lie inside of ${inner.op} at '${inner.name}': Quern trains those of the outermost graph`,
      { hint: "Export the model without control flow, or train a head behind it: train: 'none'." },
    )
  }
  throw new QuernError('input', `the model '${graph.name}' has no weights that can be trained`, {
    hint: "Train a head behind it: train: 'none'.",
  })
}

function refuseBlocked(
  graph: Graph,
  of: { layers: readonly ImportedLayer[]; weights: readonly ImportedWeight[]; table: OpTable },
): void {
  const { layers, weights, table } = of
  if (weights.length === 0) return
  const blocked: Blocked = blockedValues(graph, table)
  const bad = weights.find(({ value }) => blocked.by.has(value))
  const node = bad && blocked.by.get(bad.value)
  if (!bad || !node) return
  const open = layers.filter((layer) => layer.weights.every(({ value }) => !blocked.by.has(value)))
  const name = node.domain === '' ? node.op : `${node.domain}.${node.op}`
  throw new QuernError(
    'unsupported',
    `the weight '${bad.name}' cannot be trained: ${name} at '${node.name}', between it and the output, has no gradient (${whyBlocking(node, table) ?? 'nothing real leaves it'})`,
    {
      hint:
        open.length === 0
          ? "Nothing of the model can be trained: keep it as it is and train a head behind it, train: 'none'."
          : `These layers can: ${open.map((layer) => layer.name).join(', ')}.`,
    },
  )
}

/** Rates by value. */
function dropoutSites(graph: Graph, dropout: false | Readonly<Record<string, number>>): ReadonlyMap<Value, number> {
  const sites = new Map<Value, number>()
  for (const [name, rate] of Object.entries(dropout || {})) {
    if (!(rate >= 0 && rate < 1)) {
      throw new QuernError(
        'config',
        `dropout: the rate at '${name}' must be at least 0 and less than 1, received ${rate}`,
      )
    }
    sites.set(cut(graph, { outputs: [name] }).outputs[0]!, rate)
  }
  return sites
}

/** Elements of the weights that are trained, and of all. */
export function countImported({ layers, trained }: ImportedModel): { readonly trained: number; readonly all: number } {
  const weights = importedWeights(layers)
  const count = (list: readonly ImportedWeight[]) => list.reduce((sum, { elements }) => sum + sizeOf(elements.shape), 0)
  return { trained: count(weights.filter(({ name }) => trained.has(name))), all: count(weights) }
}
