/** Which objective and which optimizer trains each parameter, and how: worked out once, from objectives and groups. */
import { QuernError } from '../core/errors.ts'
import type { TracedParameter } from '../nn/trace.ts'
import type { Optimizer } from '../optim/optimizer.ts'
import type { Treatment } from '../optim/segments.ts'
import type { Objective } from './network.ts'
import { groupsByPath, matchingAny, optimizerOf, type ParameterGroup } from './parameter-groups.ts'

export interface Assigned extends Treatment {
  /** name of the objective */
  readonly objective: string
  readonly optimizer: Optimizer
  /** steps of the run before it is trained; 0 from the beginning */
  readonly begins: number
}

/** Trained parameters by path, in their order; those that are not here stay as they are. */
export type ParameterPlan = ReadonlyMap<string, Assigned>

export interface AssignOptions {
  readonly objectives: readonly Objective[]
  /** of objectives and groups that have none of their own */
  readonly optimizer: Optimizer
  readonly groups: readonly ParameterGroup[]
  /** for groups that are trained from a later epoch on */
  readonly stepsPerEpoch?: number | undefined
}

/** @throws QuernError 'config' for patterns without a match and for a parameter that two objectives train */
export function assignParameters(
  parameters: readonly TracedParameter[],
  { objectives, optimizer, groups, stepsPerEpoch }: AssignOptions,
): ParameterPlan {
  const trainable = parameters.filter((parameter) => parameter.trainable)
  const paths = trainable.map(({ path }) => path)
  const owners = ownersOf(objectives, paths)
  const grouped = groupsByPath(groups, paths)
  const made = new Map<string, Optimizer>()
  const plan = new Map<string, Assigned>()
  for (const { path, spec } of trainable) {
    const [objective, group] = [owners.get(path), grouped.get(path)]
    if (!objective || group?.frozen || group?.learningRateFactor === 0) continue
    const base = objective.optimizer ?? optimizer
    const own = group ? same(optimizerOf(group, base), made) : same(base, made)
    plan.set(path, {
      objective: objective.name,
      optimizer: own,
      begins: ((group?.fromEpoch ?? 1) - 1) * (stepsPerEpoch ?? 1),
      decayFactor: (spec.decay ?? spec.shape.length > 1) ? 1 : 0,
      learningRateFactor: (group?.learningRateFactor ?? 1) * ratio(own, optimizer),
    })
  }
  checkBegins(plan, groups, stepsPerEpoch)
  return plan
}

function checkBegins(plan: ParameterPlan, groups: readonly ParameterGroup[], stepsPerEpoch: number | undefined): void {
  const later = groups.findIndex(({ fromEpoch = 1 }) => fromEpoch > 1)
  if (later < 0) return
  if (stepsPerEpoch === undefined) {
    throw new QuernError('config', `groups[${later}].fromEpoch needs the number of steps of an epoch: stepsPerEpoch`)
  }
  if ([...plan.values()].some(({ begins }) => begins === 0)) return
  throw new QuernError('config', 'nothing is trained in epoch 1: every group begins later', {
    hint: 'Leave fromEpoch out for what is to be trained first, such as the head.',
  })
}

/** The numbers of steps after which more parameters are trained, ascending from 0. */
export function stagesOf(plan: ParameterPlan): readonly number[] {
  return [...new Set([0, ...[...plan.values()].map(({ begins }) => begins)])].sort((a, b) => a - b)
}

function ownersOf(objectives: readonly Objective[], paths: readonly string[]): ReadonlyMap<string, Objective> {
  const owners = new Map<string, Objective>()
  for (const objective of objectives) {
    const { name, parameters } = objective
    const mine = parameters === undefined ? paths : matchingAny(parameters, paths, `objective '${name}'`)
    for (const path of new Set(mine)) {
      const other = owners.get(path)
      if (other) {
        throw new QuernError(
          'config',
          `the parameter '${path}' is trained by two objectives: '${other.name}' and '${name}'`,
          {
            hint: "Give each its own with 'parameters', or add the two losses up in one objective.",
          },
        )
      }
      owners.set(path, objective)
    }
  }
  return owners
}

/** The first optimizer of an equal configuration, so that its parameters are updated together. */
function same(optimizer: Optimizer, made: Map<string, Optimizer>): Optimizer {
  const key = JSON.stringify(optimizer.config)
  const known = made.get(key) ?? optimizer
  made.set(key, known)
  return known
}

/** An optimizer's learning rate against the one that the schedule moves. */
function ratio(own: Optimizer, main: Optimizer): number {
  const [rate, base] = [own.config.learningRate, main.config.learningRate]
  if (rate === base) return 1
  if (base > 0) return rate / base
  throw new QuernError(
    'config',
    `the learning rate of ${own.name} (${rate}) has no ratio to that of ${main.name} (0)`,
    {
      hint: 'Give the main optimizer the learning rate that the schedule starts from.',
    },
  )
}
