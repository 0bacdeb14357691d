/** From a configuration and a network to a model in training. */
import { createRandom } from '../core/random.ts'
import { gradientRules } from '../optim/update.ts'
import { epochSampler } from '../tasks/class-loss.ts'
import type { TaskConfig, TaskData } from '../tasks/task.ts'
import type { Network } from '../train/network.ts'
import type { ParameterGroup } from '../train/parameter-groups.ts'
import { createTrainingStep, type TrainingStep } from '../train/step.ts'
import { optimization, sessionOptions } from './project.ts'
import type { Services } from './services.ts'

/** Memory, graphs and update of a project's training. */
export function createStep(
  services: Services,
  config: TaskConfig,
  network: Network,
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
