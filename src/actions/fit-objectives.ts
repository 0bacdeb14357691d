/**
 * Training of several models at once, each objective with its own parameters and optimizer: GANs, distillation, autoencoders with
 * noise, whatever is a scalar over columns and random numbers.
 */
import { exportGraph } from '../bundle/export-graph.ts'
import type { TrainEvent } from '../contract/events.ts'
import { QuernError, suggestion } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import { dtypeOf, shapeOf } from '../graph/graph.ts'
import type { Layer } from '../nn/layer.ts'
import { table } from '../ops/index.ts'
import type { NamedConfig, Optimizer } from '../optim/index.ts'
import { traceJoint } from '../train/joint-trace.ts'
import { latest } from '../train/monitor.ts'
import type { ColumnSpec, JointNetwork, Objective, Order } from '../train/network.ts'
import { optimizerFrom } from '../train/parameter-groups.ts'
import { noScorer } from '../train/scores.ts'
import {
  checkExamples,
  checkOptionNames,
  columnSpec,
  copyOfParameters,
  runFit,
  type TrainingOptions,
  trainingOptionNames,
} from './run-fit.ts'

/** As `Objective`, without its name, and with an optimizer by name. */
export interface ObjectiveOptions extends Omit<Objective, 'name' | 'optimizer'> {
  readonly optimizer?: string | NamedConfig | Optimizer
}

export interface FitObjectivesOptions extends TrainingOptions {
  /** tensors by name, examples along the first axis of each */
  readonly columns: Readonly<Record<string, Tensor>>
  readonly objectives: Readonly<Record<string, ObjectiveOptions>>
  /** 'simultaneous' (default) or 'alternating', see JointNetwork */
  readonly order?: Order
}

const optionNames: Readonly<Record<keyof Required<FitObjectivesOptions>, true>> = {
  ...trainingOptionNames,
  ...{ columns: true, objectives: true, order: true },
}

/** Trained models in memory. */
export interface FittedModels {
  /** parameters and states by path, each with the name of its model in front */
  readonly parameters: ReadonlyMap<string, Tensor>
  /** The ONNX file of a model: inputs 'x', or 'x0', 'x1', ... where it takes several, `[batch, ...]` each, and the output 'y'. */
  onnx(model: string): Uint8Array
}

/**
 * Trains models on objectives and yields the events of the run; the generator's return value are the trained models. With several
 * objectives a run ends with its last epoch (`monitor: 'latest'`), unless told otherwise.
 *
 * @example
 * const noise = (c) => c.random('noise', [c.batch, 64])
 * const run = fitObjectives({ generator, critic }, {
 *   columns: { image },
 *   objectives: {
 *     critic: {
 *       parameters: 'critic',
 *       loss: (c) => wasserstein.critic(c.g, c.apply('critic', c.column('image')), c.apply('critic', c.apply('generator', noise(c)))),
 *     },
 *     generator: {
 *       parameters: 'generator', every: 5,
 *       loss: (c) => wasserstein.generator(c.g, c.apply('critic', c.apply('generator', noise(c)))),
 *     },
 *   },
 * })
 * for await (const event of run) if (event.type === 'epoch') console.log(event.train.critic, event.train.generator)
 */
export async function* fitObjectives(
  models: Readonly<Record<string, Layer>>,
  options: FitObjectivesOptions,
): AsyncGenerator<TrainEvent, FittedModels> {
  checkOptionNames('fitObjectives', options, optionNames)
  const { columns, order } = options
  checkExamples(columns)
  for (const name of Object.keys(models)) {
    if (name !== '' && !name.includes('/')) continue
    throw new QuernError('config', `the name of a model must be text without '/', received '${name}'`)
  }
  const objectives = Object.entries(options.objectives).map(([name, { optimizer, ...rest }]) => ({
    name,
    ...rest,
    ...(optimizer === undefined ? {} : { optimizer: optimizerFrom(optimizer) }),
  }))
  const network: JointNetwork = {
    models,
    columns: Object.entries(columns).map(([name, tensor]) => columnSpec(name, tensor)),
    objectives,
    order,
    table,
  }
  return yield* runFit(
    options,
    {
      columns,
      network,
      scorer: noScorer,
      ...(objectives.length > 1 && { monitor: latest }),
      identity: [
        Object.entries(models).map(([name, { kind, config }]) => [name, kind, config]),
        order,
        objectives.map(plain),
      ],
    },
    (step) => {
      const parameters = copyOfParameters(step)
      return { parameters, onnx: (model) => exportModel(network, model, parameters) }
    },
  )
}

/** What is plain data of an objective; what its function writes is told apart by the graph. */
function plain({ name, parameters, optimizer, every }: Objective): unknown {
  return [name, parameters === undefined ? undefined : [parameters].flat().map(String), optimizer?.config, every]
}

/** The model as the objectives applied it first: that says what its inputs are. */
function exportModel(network: JointNetwork, name: string, parameters: ReadonlyMap<string, Tensor>): Uint8Array {
  const model = network.models[name]
  if (!model) {
    throw new QuernError('missing', `there is no model '${name}'. ${suggestion(name, Object.keys(network.models))}`)
  }
  const { applied } = traceJoint(network, { batch: 1, training: false, objectives: network.objectives })
  const values = applied.get(name)
  if (!values) throw new QuernError('config', `no objective applies the model '${name}', so its inputs are not known`)
  const inputs = values.map(
    (value, i): ColumnSpec => ({
      name: values.length === 1 ? 'x' : `x${i}`,
      dtype: dtypeOf(value),
      shape: shapeOf(value).slice(1) as number[],
    }),
  )
  const own = new Map(
    [...parameters].flatMap(([path, tensor]) =>
      path.startsWith(`${name}/`) ? [[path.slice(name.length + 1), tensor] as const] : [],
    ),
  )
  return exportGraph({ model, inputs, output: 'y', parameters: own, table, name })
}
