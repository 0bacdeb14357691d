/** From a configuration and a network to a model in training. */
import { createRandom } from '../core/random.ts'
import type { OpTable } from '../ops/op.ts'
import { gradientRules } from '../optim/update.ts'
import { epochSampler } from '../tasks/class-loss.ts'
import type { TaskConfig, TaskData, TaskNetwork } from '../tasks/task.ts'
import { type JointNetwork, type Network, onlyLoss } from '../train/network.ts'
import type { ParameterGroup } from '../train/parameter-groups.ts'
import { createTrainingStep, type TrainingStep } from '../train/step.ts'
import { optimization, sessionOptions } from './project.ts'
import type { Services } from './services.ts'

/** What is trained: the loss of the only output, or the sum of those of several, each of which is told beside it. */
export function networkFrom(
  { model, inputs, target, outputs }: Pick<TaskNetwork, 'model' | 'inputs' | 'target' | 'outputs'>,
  table: OpTable,
): Network | JointNetwork {
  if (outputs.length === 1) return { model, loss: outputs[0].loss, inputs, target, table }
  return {
    models: { '': model },
    columns: [...inputs, target],
    objectives: [
      {
        name: onlyLoss,
        loss: (c) => {
          const answers = c.applyAll(
            '',
            inputs.map(({ name }) => c.column(name)),
          )
          const losses = outputs.map(({ name, loss, title }) => {
            const value = loss.apply(c.g, answers[name]!, c.column(target.name))
            c.report(title ?? name, value)
            return value
          })
          return losses.reduce((sum, value) => c.g.add(sum, value))
        },
      },
    ],
    outputs: (c) =>
      c.applyAll(
        '',
        inputs.map(({ name }) => c.column(name)),
      ),
    table,
  }
}

/** Memory, graphs and update of a project's training. */
export function createStep(
  services: Services,
  config: TaskConfig,
  network: Network | JointNetwork,
  { groups: first = [], data }: { groups?: readonly ParameterGroup[] | undefined; data: TaskData },
): Promise<TrainingStep> {
  const { l1, l2, clipNorm = 0, clipValue = 0, batchSize, accumulate, recompute, ema, swa, groups } = config.train
  const { train } = data.splits
  return createTrainingStep({
    network,
    optimizer: optimization(config).optimizer,
    backend: services.backend,
    session: sessionOptions(config),
    random: createRandom(config.seed),
    batchSize,
    rules: gradientRules({ l1, l2, clipNorm, clipValue }),
    ema,
    swa: swa !== undefined,
    accumulate,
    recompute,
    // What the configuration says by name comes before what follows from the base.
    groups: [...(groups ?? []), ...first],
    stepsPerEpoch: Math.ceil((epochSampler(config.train, train) ?? train).length / batchSize),
  })
}
