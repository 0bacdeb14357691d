/** From what a configuration file exports to a checked project. */
import { parseWith } from '../contract/parse.ts'
import { QuernError } from '../core/errors.ts'
import { createOptimizer, createSchedule, type NamedConfig } from '../optim/index.ts'
import type { Optimizer } from '../optim/optimizer.ts'
import type { Schedule } from '../optim/schedule.ts'
import type { SessionOptions } from '../runtime/backend.ts'
import { taskNamed } from '../tasks/index.ts'
import type { TaskConfig } from '../tasks/task.ts'
import { resolveMonitor } from '../train/monitor.ts'
import { type WeightAveraging, weightAveraging } from '../train/weight-averaging.ts'
import type { Project } from './services.ts'

/**
 * Checks a raw configuration and fills in defaults.
 * Throws `config` with every problem of the keys and values at once, unknown keys with the nearest known one; then for an unknown
 * optimizer, schedule, metric or monitored value.
 *
 * @param what names the file in messages
 */
export function resolveProject(raw: unknown, { root, what }: { root: string; what: string }): Project {
  if (typeof raw !== 'object' || raw === null) {
    throw new QuernError(
      'config',
      `${what} must export a configuration object, received ${raw === null ? 'null' : typeof raw}`,
      {
        hint: 'export default defineProject({ task: ..., data: { ... } })',
      },
    )
  }
  const task = taskNamed((raw as Record<string, unknown>).task)
  const config = parseWith(task.schema, raw, what) as TaskConfig
  optimization(config)
  // Whether there is a validation split is seen when the data is read; a misspelt name is seen now.
  resolveMonitor(config.train.monitor, task.scorer(config), true)
  return { root, task, config, name: config.name ?? nameFrom(root) }
}

/** The optimizer and the schedule that a configuration names, and how it averages weights. */
export function optimization({ train }: TaskConfig): {
  optimizer: Optimizer
  schedule: Schedule
  swa: WeightAveraging | undefined
} {
  const optimizer = createOptimizer(train.optimizer as string | NamedConfig)
  const schedule = createSchedule(train.schedule as string | NamedConfig, optimizer.config)
  const { epochs } = train
  const { learningRate } = optimizer.config
  return { optimizer, schedule, swa: train.swa && weightAveraging(train.swa, { epochs, learningRate }) }
}

/** Device and threads as the configuration asks. */
export function sessionOptions({ device, threads }: TaskConfig): SessionOptions {
  return { device, ...(threads === undefined ? {} : { threads }) }
}

/** The configuration with every default, as plain JSON: layers of a user's own are written as kind and options. */
export function resolvedConfig(project: Project): Record<string, unknown> {
  const { optimizer, schedule, swa } = optimization(project.config)
  const { peak, ...averaging } = swa ?? {}
  const named = { optimizer: optimizer.config, schedule: schedule.config, ...(swa && { swa: averaging }) }
  const train = { ...project.config.train, ...named }
  const plain = { ...project.config, name: project.name, train }
  return JSON.parse(
    JSON.stringify(plain, (_, value: unknown) => {
      if (typeof value !== 'function') return value
      const { kind, config } = value as unknown as { kind?: string; config?: object }
      return kind === undefined ? 'function' : { kind, ...config }
    }),
  ) as Record<string, unknown>
}

/** A folder's name as the name of a model. */
function nameFrom(root: string): string {
  const name = root.split(/[\\/]/).findLast((part) => part !== '') ?? 'model'
  return name.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'model'
}
