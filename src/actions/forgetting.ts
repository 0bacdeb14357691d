/** How much of its old task a base forgets: its own output, on data of that task, with its weights before and after training. */
import { withAdapterBeside } from '../adapters/adapt-graph.ts'
import type { Adapter } from '../adapters/index.ts'
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Dataset } from '../data/dataset.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { substituteAll } from '../graph/substitute.ts'
import { importedLayers, importedModel, importedWeights, type Layer, sequential } from '../nn/index.ts'
import { isBatchNormalization } from '../ops/weight-inputs.ts'
import type { TaskNetwork } from '../tasks/task.ts'
import type { BaseModel } from './base-model.ts'
import { baseParameters } from './base-parameters.ts'
import { answersOf } from './compare-answers.ts'
import type { Project, Services } from './services.ts'
import { fewExamples } from './start-from.ts'

/** The graph with trained weights, and statistics that moved along, in the place of the file's, under the same names. */
export function withTrainedWeights(graph: Graph, parameters: ReadonlyMap<string, Tensor>): Graph {
  const replaced = new Map<Value, Value>()
  const ofBase = baseParameters(parameters)
  const weights = importedWeights(importedLayers(graph)).map(({ value }) => value)
  const statistics = graph.nodes.filter(isBatchNormalization).flatMap(({ inputs }) => inputs.slice(3))
  for (const value of [...weights, ...statistics]) {
    const elements = value?.constant
    if (!elements) continue
    const found = ofBase.get(value.name)
    if (found?.data.length !== elements.data.length) continue
    replaced.set(value, { ...value, constant: { ...found, shape: elements.shape } })
  }
  return substituteAll(graph, replaced)
}

/** Examples in one run. */
const batchSize = 64

/** What a base could do before it learned something else. */
export interface OldTask {
  /** Accuracy on `from.oldData` before and after, and their difference. */
  forgetting(parameters: ReadonlyMap<string, Tensor>, adapter: Adapter | undefined): Promise<Record<string, number>>
}

/**
 * Reads `from.oldData` and scores the untouched base on it, before anything is trained; undefined when no old data is given.
 *
 * @throws QuernError 'input' when the old data has classes that the base does not answer
 */
export async function oldTaskOf(
  services: Services,
  { task, config, root }: Project,
  { base, described, signal }: { base: BaseModel; described: TaskNetwork; signal?: AbortSignal | undefined },
): Promise<OldTask | undefined> {
  const source = config.from?.oldData
  if (source === undefined || !described.start) return undefined
  const { data } = config as unknown as { data: Readonly<Record<string, unknown>> }
  const old = { ...config, data: { ...data, labels: undefined, source } }
  const loaded = await task.load(old, { root, cache: services.cache, signal })
  const dataset = loaded.splits.test ?? loaded.splits.validation ?? loaded.splits.train
  const { prepare } = described.start
  const inputs = described.inputs.map(({ name }) => name)
  const classes = base.labels && classNumbers(dataset.labels, base.labels, base.name)
  const accuracy = (graph: Graph) => accuracyOn(services, { graph, prepare, dataset, inputs, name: base.name, classes })
  const before = await accuracy(base.graph)
  return {
    async forgetting(parameters, adapter) {
      const moved = withTrainedWeights(base.graph, parameters)
      const after = await accuracy(adapter ? withAdapterBeside(moved, adapter) : moved)
      return { accuracyBefore: before, accuracyAfter: after, forgotten: before - after }
    },
  }
}

/** The number that the base gives to each class of the data: by name, or by place where the data numbers its classes, as IDX files do. */
function classNumbers(labels: readonly string[], known: readonly string[], name: string): readonly number[] {
  const isNumbered = labels.every((label, i) => label === String(i)) && labels.length === known.length
  const numbers = labels.map((label, i) => (isNumbered ? i : known.indexOf(label)))
  const unknown = labels[numbers.indexOf(-1)]
  if (unknown === undefined) return numbers
  throw new QuernError('input', `the old data has the class '${unknown}', which ${name} does not answer`, {
    hint: `It answers ${known.slice(0, 10).join(', ')}${known.length > 10 ? ', ...' : ''}. Give data of these classes, such as what it was trained on.`,
  })
}

/** Share of the examples whose class the graph's own output names. */
export async function accuracyOn(
  services: Pick<Services, 'backend' | 'table'>,
  of: {
    readonly graph: Graph
    readonly prepare: Layer | undefined
    readonly dataset: Dataset
    readonly inputs: readonly string[]
    readonly name: string
    /** the graph's number of each class of the data; default: the same numbers */
    readonly classes?: readonly number[] | undefined
  },
): Promise<number> {
  const { graph, prepare, dataset, inputs, name, classes } = of
  const whole = importedModel(graph, { train: 'none', differentiable: false, name: 'base' })
  const model = prepare ? sequential([prepare, whole]) : whole
  let right = 0
  for (let first = 0; first < dataset.length; first += batchSize) {
    const rows = dataset.rows.subarray(first, first + batchSize)
    const part = { ...dataset, rows, length: rows.length }
    const [answer] = await answersOf(model, fewExamples(part, inputs, batchSize), services)
    right += countRight(answer!, fewExamples(part, ['label'], batchSize).label!, {
      labels: dataset.labels,
      name,
      classes,
    })
  }
  return right / dataset.length
}

function countRight(
  answer: Tensor,
  label: Tensor,
  of: { labels: readonly string[]; name: string; classes: readonly number[] | undefined },
): number {
  const { labels, name, classes: numbers } = of
  const classes = answer.shape.length === 2 ? answer.shape[1]! : 0
  if (classes < 2 || (labels.length > 0 && !numbers && classes !== labels.length)) {
    throw new QuernError(
      'input',
      `the old data has ${labels.length || 'some'} classes, ${name} answers [${answer.shape.join(', ')}]`,
      {
        hint: 'Give data of the classes that the model was trained on.',
      },
    )
  }
  const scores = answer.data as Float32Array
  return (label.data as Int32Array).reduce((right, expected, i) => {
    const row = scores.subarray(i * classes, (i + 1) * classes)
    return right + (row.indexOf(Math.max(...row)) === (numbers?.[expected] ?? expected) ? 1 : 0)
  }, 0)
}
