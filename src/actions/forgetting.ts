/** How much of its old task a base forgets: its own output, on data of that task, with its weights before and after training. */
import { QuernError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Dataset } from '../data/dataset.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { substituteAll } from '../graph/substitute.ts'
import { importedLayers, importedModel, importedWeights, type Layer, sequential } from '../nn/index.ts'
import { isBatchNormalization } from '../ops/weight-inputs.ts'
import type { TaskNetwork } from '../tasks/task.ts'
import type { BaseModel } from './base-model.ts'
import { answersOf } from './compare-answers.ts'
import type { Project, Services } from './services.ts'
import { fewExamples } from './start-from.ts'

/** The graph with trained weights, and statistics that moved along, in the place of the file's, under the same names. */
export function withTrainedWeights(graph: Graph, parameters: ReadonlyMap<string, Tensor>): Graph {
  const replaced = new Map<Value, Value>()
  const weights = importedWeights(importedLayers(graph)).map(({ value }) => value)
  const statistics = graph.nodes.filter(isBatchNormalization).flatMap(({ inputs }) => inputs.slice(3))
  for (const value of [...weights, ...statistics]) {
    const elements = value?.constant
    if (!elements) continue
    const { name } = value
    const found = [...parameters].find(([path]) => path === name || path.endsWith(`base/${name}`))?.[1]
    if (found?.data.length !== elements.data.length) continue
    replaced.set(value, { ...value, constant: { ...found, shape: elements.shape } })
  }
  return substituteAll(graph, replaced)
}

/** Examples in one run. */
const batchSize = 64

/**
 * Accuracy of the base on `from.oldData` before and after, and their difference; undefined when no old data is given.
 *
 * @throws QuernError 'input' when the old data has another number of classes than the base has outputs
 */
export async function measureForgetting(
  services: Services,
  { task, config, root }: Project,
  of: { base: BaseModel; described: TaskNetwork; parameters: ReadonlyMap<string, Tensor> },
): Promise<Record<string, number> | undefined> {
  const { base, described, parameters } = of
  const source = config.from?.oldData
  if (source === undefined || !described.start) return undefined
  const { data } = config as unknown as { data: Readonly<Record<string, unknown>> }
  const labels = base.labels ? { labels: base.labels } : {}
  const old = { ...config, data: { ...data, labels: undefined, ...labels, source } }
  const loaded = await task.load(old, { root, cache: services.cache })
  const dataset = loaded.splits.test ?? loaded.splits.validation ?? loaded.splits.train
  const { prepare } = described.start
  const inputs = described.inputs.map(({ name }) => name)
  const accuracy = (graph: Graph) => accuracyOn(services, { graph, prepare, dataset, inputs, name: base.name })
  const before = await accuracy(base.graph)
  const after = await accuracy(withTrainedWeights(base.graph, parameters))
  return { accuracyBefore: before, accuracyAfter: after, forgotten: before - after }
}

/** Share of the examples whose class the graph's own output names. */
export async function accuracyOn(
  services: Pick<Services, 'backend' | 'table'>,
  of: { graph: Graph; prepare: Layer | undefined; dataset: Dataset; inputs: readonly string[]; name: string },
): Promise<number> {
  const { graph, prepare, dataset, inputs, name } = of
  const whole = importedModel(graph, { train: 'none', differentiable: false, name: 'base' })
  const model = prepare ? sequential([prepare, whole]) : whole
  let right = 0
  for (let first = 0; first < dataset.length; first += batchSize) {
    const rows = dataset.rows.subarray(first, first + batchSize)
    const part = { ...dataset, rows, length: rows.length }
    const [answer] = await answersOf(model, fewExamples(part, inputs, batchSize), services)
    right += countRight(answer!, fewExamples(part, ['label'], batchSize).label!, dataset.labels, name)
  }
  return right / dataset.length
}

function countRight(answer: Tensor, label: Tensor, labels: readonly string[], name: string): number {
  const classes = answer.shape.length === 2 ? answer.shape[1]! : 0
  if (classes < 2 || (labels.length > 0 && classes !== labels.length)) {
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
    return right + (row.indexOf(Math.max(...row)) === expected ? 1 : 0)
  }, 0)
}
