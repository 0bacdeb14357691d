/**
 * Several targets of a table at once, classes and numbers mixed: one body, whose last numbers are divided among the targets. Each target is an
 * output with a loss of its own, scored and reported by itself.
 */
import { answersOf, type TargetAnswer, targetsOf } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { type Tensor, tensor } from '../core/tensor.ts'
import { columnOf, type Dataset, exampleName } from '../data/dataset.ts'
import { outputName } from '../data/table-targets.ts'
import { reportClassification } from '../evaluate/classification.ts'
import { reportRegression } from '../evaluate/regression.ts'
import { reportSeveral, type SeveralReport, type TargetReport } from '../evaluate/several.ts'
import type { Value } from '../graph/graph.ts'
import { type MetricSpec, metricOfTarget, regressionMetrics } from '../metrics/index.ts'
import { type Layer, type Loss, layer, meanSquaredError } from '../nn/index.ts'
import type { Emitter } from '../ops/emitter.ts'
import { classificationScorer, outputScorer, regressionScorer, type Scorer } from '../train/scores.ts'
import { classLoss } from './class-loss.ts'
import { classShares, tableBaselines } from './tabular-baselines.ts'
import { classForms, type TabularConfig } from './tabular-config.ts'
import { type TableLayers, tableLayers } from './tabular-models.ts'
import { tableInputs, tableModel } from './tabular-network.ts'
import { inUnits, scaledLoss, scaleOf } from './tabular-scale.ts'
import type { Baseline, SplitAnswers, TaskData, TaskNetwork, TaskOutput } from './task.ts'

type Config = TabularConfig

/** One target: its share of the body's numbers, and what becomes of it. */
interface Head {
  readonly name: string
  /** numbers of the body */
  readonly width: number
  /** from those numbers `[batch, width]` to the answer */
  readonly layer: Layer
  readonly output: TaskOutput
  /** what the body ends with where it answers the same for every row */
  readonly constant: readonly number[]
}

/** Classes of a column of the target, which holds their places. */
function countsOf({ rows, ...train }: Dataset, column: number, classes: number): number[] {
  const { data, shape } = columnOf({ rows, ...train }, 'target')
  const counts = new Array<number>(classes).fill(0)
  for (const row of rows) counts[(data as Float32Array)[row * shape[1]! + column]!]!++
  return counts
}

const softmax: Layer = layer({ kind: 'probabilities', config: {}, apply: ({ g }, [x]) => g.softmax(x!) })
const same: Layer = layer({ kind: 'identity', config: {}, apply: (_, [x]) => x! })

function headOf(config: Config, { splits }: TaskData, answer: TargetAnswer, column: number): Head {
  const { target: name, output, labels } = answer
  const about = { name: output, title: metricOfTarget(name, 'loss'), what: 'a part of the numbers of the last layer' }
  if (labels.length > 0) {
    const counts = countsOf(splits.train, column, labels.length)
    const loss = classLoss(config.train, { labels, counts: () => counts })
    const width = labels.length
    return {
      ...{ name, width, layer: softmax, constant: classShares(counts) },
      output: { ...about, shape: [width], hint: '', loss: ofColumn(loss, column, 'class') },
    }
  }
  const scale = scaleOf(splits.train, [column])
  const loss = scaledLoss(meanSquaredError(), scale)
  return {
    ...{ name, width: 1, layer: inUnits(same, scale), constant: [0] },
    output: { ...about, shape: [1], hint: '', loss: ofColumn(loss, column, 'number') },
  }
}

/** A loss against one column of `[batch, targets]`. */
function ofColumn(loss: Loss, column: number, form: 'class' | 'number'): Loss {
  const targetIn = (g: Emitter, targets: Value): Value => {
    const own = g.slice(targets, [column], [column + 1], [1])
    return form === 'class' ? g.cast(g.squeeze(own, [1]), 'int32') : own
  }
  return {
    name: loss.name,
    config: { ...loss.config, column },
    apply: (g, predictions, targets) => loss.apply(g, predictions, targetIn(g, targets)),
  }
}

/** Features and layers, then each head on its own numbers. It has as many outputs as there are heads. */
function severalModel(table: Layer, heads: readonly Head[]): Layer {
  const answers = (c: Parameters<Layer['apply']>[0], given: readonly Value[]): Readonly<Record<string, Value>> => {
    const x = c.inner('table', table, given)
    let start = 0
    return Object.fromEntries(
      heads.map(({ output, layer, width, name }) => {
        const own = c.g.slice(x, [start], [start + width], [1])
        start += width
        return [output.name, c.inner(`head of ${name}`, layer, [own])]
      }),
    )
  }
  return layer({
    kind: 'targets',
    config: {
      table: { kind: table.kind, ...table.config },
      heads: heads.map(({ name, width, layer }) => ({ target: name, width, kind: layer.kind, ...layer.config })),
    },
    arity: 'many',
    apply: (c, given) => c.g.concat(Object.values(answers(c, given)), 1),
    applyAll: answers,
  })
}

function networkOf(config: Config, data: TaskData, heads: readonly Head[], { body, form }: TableLayers): TaskNetwork {
  const inputs = tableInputs(data)
  const columns = data.preprocessing.kind === 'table' ? data.preprocessing.columns : []
  const units = unitsOf(heads)
  const shares = heads.map(({ name, width }) => `${width} for ${name}`).join(', ')
  const hint = `End the layers with dense({ units: ${units} }) and no activation: ${shares}.`
  const outputs = heads.map(({ output }) => ({ ...output, hint }))
  return {
    model: severalModel(
      tableModel(columns, inputs, { body: ofWidth(body, units, hint), form }, config.encoders),
      heads,
    ),
    inputs,
    target: { name: 'target', dtype: 'float32', shape: [heads.length] },
    outputs: outputs as unknown as TaskNetwork['outputs'],
  }
}

const unitsOf = (heads: readonly Head[]): number => heads.reduce((sum, { width }) => sum + width, 0)

/** A body of a user's own may end in another number of values than the targets need: parts of it would be empty. */
function ofWidth(body: Layer, units: number, hint: string): Layer {
  return layer({
    ...body,
    apply: (c, inputs) => {
      const x = body.apply(c, inputs)
      const shape = x.type?.shape
      if (shape?.length === 2 && shape[1] === units) return x
      throw new QuernError('config', `the model must end in ${units} numbers for its targets, it ends in [${shape}]`, {
        hint,
      })
    },
  })
}

const headsOf = (config: Config, data: TaskData): Head[] =>
  (answersOf(data) ?? []).map((answer, column) => headOf(config, data, answer, column))

/** The network of a configuration. Throws `config` for what goes by the classes of one target. */
export function severalNetwork(config: Config, data: TaskData): TaskNetwork {
  const { classWeights: weights, sampling } = config.train
  if (sampling !== undefined || typeof weights === 'object') {
    const key = sampling === undefined ? 'classWeights' : 'sampling'
    throw new QuernError('config', `train.${key} goes by the classes of one target; there are several`, {
      hint: "Remove it, or weigh the classes of each target: classWeights: 'balanced'.",
    })
  }
  const heads = headsOf(config, data)
  return networkOf(config, data, heads, tableLayers(config.model, unitsOf(heads)))
}

export function severalBaselines(config: Config, data: TaskData): Baseline[] {
  const heads = headsOf(config, data)
  return tableBaselines(config, data, {
    units: unitsOf(heads),
    networkOf: (layers) => networkOf(config, data, heads, layers),
    constant: {
      name: heads.every(({ width }) => width > 1) ? 'commonest classes' : 'commonest classes and means',
      values: heads.flatMap(({ constant }) => constant),
    },
  })
}

const isOf = (table: readonly { readonly name: string }[], spec: MetricSpec): boolean =>
  table.some(({ name }) => name === (typeof spec === 'string' ? spec : spec.name))

/** Metrics of the configuration while training: those of classes for classes, those of numbers for numbers. */
export function targetScorer({ data, metrics }: Config): Scorer {
  const forms = classForms(data) as readonly ('class' | 'number')[]
  const numbers = metrics.filter((spec) => isOf(regressionMetrics, spec))
  const ofNumbers = numbers.length > 0 ? numbers : ['meanAbsoluteError', 'r2']
  // Whatever is no metric of numbers: a name that is none at all is told of by the scorer.
  const ofClasses = metrics.filter((spec) => !numbers.includes(spec))
  return outputScorer(
    targetsOf(data.target).map((name, column) => {
      const form = forms[column]!
      const inner = form === 'class' ? classificationScorer(ofClasses) : regressionScorer(ofNumbers)
      const scorer: Scorer = {
        ...inner,
        add: (predictions, targets) => inner.add(predictions, columnIn(targets, column, form)),
      }
      return { name, output: outputName(name, form), target: 'target', scorer }
    }),
  )
}

/** A column of `[count, targets]`: class numbers `[count]`, or numbers `[count, 1]`. */
function columnIn({ data, shape }: Tensor, column: number, form: 'class' | 'number'): Tensor {
  const [count = 0, width = 1] = shape
  const values = Float32Array.from({ length: count }, (_, i) => (data as Float32Array)[i * width + column]!)
  return form === 'class' ? tensor('int32', [count], Int32Array.from(values)) : tensor('float32', [count, 1], values)
}

/** Each target by itself. */
export function reportTargets(of: SplitAnswers): SeveralReport {
  const { outputs, dataset } = of
  const { data, shape } = columnOf(dataset, 'target')
  const width = shape[1]!
  const ids = Array.from(dataset.rows, (_, i) => exampleName(dataset, i))
  const targets = (answersOf(of) ?? []).map(({ target: name, output, labels }, column): TargetReport => {
    const given = outputs[output]!.data
    const truth = Float32Array.from(dataset.rows, (row) => (data as Float32Array)[row * width + column]!)
    const report =
      labels.length > 0
        ? reportClassification({ probabilities: given, labels: Int32Array.from(truth), classes: labels, ids })
        : reportRegression({ predictions: given, targets: truth, ids })
    return { name, report }
  })
  return reportSeveral(targets)
}
