/** From the targets and losses of a fit to what is trained and how it is scored: one output, or several by name. */
import { QuernError, suggestion } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Value } from '../graph/graph.ts'
import type { MetricSpec } from '../metrics/index.ts'
import type { Layer } from '../nn/layer.ts'
import { type Loss, type LossName, lossFrom } from '../nn/losses/index.ts'
import { table } from '../ops/index.ts'
import { type ColumnSpec, type JointNetwork, type Network, type ObjectiveContext, onlyLoss } from '../train/network.ts'
import { classificationScorer, outputScorer, regressionScorer, type Scorer } from '../train/scores.ts'
import type { FitOptions, NamedColumns } from './fit.ts'
import { columnSpec } from './run-fit.ts'

/** The loss of one output of several. */
export interface OutputLoss {
  readonly loss: LossName | Loss
  /** in the sum that is trained on; default 1 */
  readonly weight?: number
  /** name of the target; default: that of the output */
  readonly target?: string
}

export interface FitTargets {
  readonly network: Network | JointNetwork
  readonly scorer: () => Scorer
  readonly target: string | undefined
  /** plain data that tells runs apart */
  readonly identity: unknown
}

interface Term {
  readonly output: string
  readonly loss: Loss
  readonly weight: number
  readonly target: string
}

interface Given {
  readonly inputs: readonly ColumnSpec[]
  readonly targets: NamedColumns
  readonly options: FitOptions
}

export function targetsOf(model: Layer, given: Given): FitTargets {
  const { losses, loss, metrics } = given.options
  if ((losses === undefined) === (loss === undefined)) {
    throw new QuernError('config', `fit needs one of 'loss' and 'losses', received ${loss ? 'both' : 'none'}`)
  }
  const terms = losses
    ? termsOf(losses)
    : [{ output: 'y', loss: lossFrom(loss!), weight: 1, target: onlyTarget(given.targets) }]
  checkTerms(model, terms, given.targets)
  const identity = [terms.map(({ loss, ...term }) => [term, loss.name, loss.config]), metrics]
  const scored = terms.map((term) => ({
    ...term,
    scorer: scorerOf(term, given.targets, metricsOf(metrics, term, losses !== undefined)),
  }))
  if (!losses && !given.options.sampleWeights) {
    const [{ loss, target, scorer }] = scored as [(typeof scored)[0]]
    const network = { model, loss, inputs: given.inputs, target: columnSpec(target, given.targets[target]!), table }
    return { network, scorer, target, identity }
  }
  const parts = scored.map(({ output, target, scorer }) => ({ name: losses ? output : '', output, target, scorer }))
  return {
    network: weightedNetwork(model, terms, given),
    scorer: () => outputScorer(parts.map((part) => ({ ...part, scorer: part.scorer() }))),
    target: undefined,
    identity,
  }
}

function termsOf(losses: NonNullable<FitOptions['losses']>): readonly Term[] {
  return Object.entries(losses).map(([output, given]) => {
    const { loss, weight = 1, target = output } = typeof given === 'object' && 'loss' in given ? given : { loss: given }
    if (!(weight >= 0 && weight < Infinity)) {
      throw new QuernError('config', `losses.${output}.weight must be a number >= 0, received ${weight}`)
    }
    return { output, loss: lossFrom(loss), weight, target }
  })
}

function onlyTarget(targets: NamedColumns): string {
  const names = Object.keys(targets)
  if (names.length === 1) return names[0]!
  throw new QuernError('config', `one loss needs one target, received ${names.join(', ') || 'none'}`, {
    hint: 'Say which output has which target: losses: { output: { loss, target } }.',
  })
}

function checkTerms(model: Layer, terms: readonly Term[], targets: NamedColumns): void {
  const outputs = (model as { readonly outputs?: readonly string[] }).outputs ?? ['y']
  for (const { output, target } of terms) {
    if (!outputs.includes(output)) {
      throw new QuernError('config', `the model has no output '${output}'. ${suggestion(output, outputs)}`)
    }
    if (!Object.hasOwn(targets, target)) {
      throw new QuernError('config', `there is no target '${target}'. ${suggestion(target, Object.keys(targets))}`)
    }
  }
}

/** The weighted sum of the losses of the outputs; each of them reported, where there are several. */
function weightedNetwork(model: Layer, terms: readonly Term[], { inputs, targets, options }: Given): JointNetwork {
  const { sampleWeights } = options
  const outputs = (c: ObjectiveContext): Readonly<Record<string, Value>> => {
    const from = inputs.map(({ name }) => c.column(name))
    return model.applyAll ? c.applyAll('', from) : { y: c.apply('', from) }
  }
  const used = [...new Set(terms.map(({ target }) => target))]
  return {
    models: { '': model },
    columns: [
      ...inputs,
      ...used.map((name) => columnSpec(name, targets[name]!)),
      ...(sampleWeights ? [weightsColumn(sampleWeights)] : []),
    ],
    objectives: [
      {
        name: onlyLoss,
        loss: (c) => {
          const made = outputs(c)
          const losses = terms.map(({ output, loss, weight, target }) => {
            const value = lossOf(c, loss, made[output]!, c.column(target), sampleWeights !== undefined)
            if (options.losses) c.report(output, value)
            return weight === 1 ? value : c.g.mul(value, weight)
          })
          return losses.reduce((a, b) => c.g.add(a, b))
        },
      },
    ],
    outputs: (c) => {
      const made = outputs(c)
      return Object.fromEntries(terms.map(({ output }) => [output, made[output]!]))
    },
    table,
  }
}

/** Keras' weighting: the sum of the weighted losses by the number of examples. */
function lossOf(c: ObjectiveContext, loss: Loss, predictions: Value, targets: Value, isWeighted: boolean): Value {
  if (!isWeighted) return loss.apply(c.g, predictions, targets)
  if (!loss.each) {
    throw new QuernError('config', `${loss.name} compares the examples with each other: it takes no sampleWeights`)
  }
  return c.g.mean(c.g.mul(loss.each(c.g, predictions, targets), c.column('sampleWeights')))
}

function weightsColumn(weights: Tensor): ColumnSpec {
  if (weights.dtype === 'float32' && weights.shape.length === 1) return columnSpec('sampleWeights', weights)
  throw new QuernError(
    'input',
    `sampleWeights must be float32 [n], received ${weights.dtype} ${formatShape(weights.shape)}`,
  )
}

function metricsOf(metrics: FitOptions['metrics'] = [], { output }: Term, isNamed: boolean): readonly MetricSpec[] {
  if (Array.isArray(metrics)) {
    if (!isNamed || metrics.length === 0) return metrics as readonly MetricSpec[]
    throw new QuernError('config', 'metrics of several outputs are given by output: metrics: { output: [...] }')
  }
  return (metrics as Readonly<Record<string, readonly MetricSpec[]>>)[output] ?? []
}

function scorerOf({ loss, target }: Term, targets: NamedColumns, metrics: readonly MetricSpec[]): () => Scorer {
  return isClassification(loss, targets[target]!)
    ? () => classificationScorer(metrics)
    : () => regressionScorer(metrics)
}

/** Class numbers, one-hot rows, or one yes or no an example. */
function isClassification({ name }: Loss, { shape }: Tensor): boolean {
  if (name === 'binaryCrossentropy') return shape.length === 1 || (shape.length === 2 && shape[1] === 1)
  return name === 'sparseCategoricalCrossentropy' || name === 'categoricalCrossentropy'
}
