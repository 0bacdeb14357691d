/** Groups of parameters that are trained differently: a slower rate, another decay or optimizer, not at all. */
import { QuernError } from '../core/errors.ts'
import { matching, type Pattern } from '../core/patterns.ts'
import { createOptimizer, type NamedConfig, type Optimizer } from '../optim/index.ts'

/** What is different for the parameters that a pattern means; of several groups that mean a parameter the first one holds. */
export interface ParameterGroup {
  readonly parameters: Pattern | readonly Pattern[]
  /** multiplies the learning rate; default 1 */
  readonly learningRateFactor?: number | undefined
  /** of decoupled decay, in place of the optimizer's own; biases and scales of normalisation decay in no group */
  readonly weightDecay?: number | undefined
  /** in place of the objective's; its learning rate keeps its ratio to that of the run's optimizer as a schedule moves that */
  readonly optimizer?: string | NamedConfig | Optimizer | undefined
  /** stays as it is: no gradient is computed, no memory kept for it */
  readonly frozen?: boolean | undefined
  /** is trained from this epoch on (gradual unfreezing, Howard & Ruder 2018); before it no gradient is computed; default 1 */
  readonly fromEpoch?: number | undefined
}

/**
 * Groups whose learning rate falls with the distance from the output (ULMFiT's discriminative fine-tuning, Howard & Ruder 2018; layer-wise
 * decay of BEiT): the last layer has factor 1, the one before `decay`, then `decay^2`, ...
 *
 * @param options.layers patterns from input to output
 * @example
 * fit(model, { ...options, groups: layerwiseDecay({ layers: ['embedding', 'block_0', 'block_1', 'head'], decay: 0.8 }) })
 */
export function layerwiseDecay(options: {
  readonly layers: readonly Pattern[]
  readonly decay: number
}): readonly ParameterGroup[] {
  const { layers, decay } = options
  if (!(decay > 0 && decay <= 1)) {
    throw new QuernError('config', `layerwiseDecay: decay must be above 0 and at most 1, received ${decay}`)
  }
  return layers.map((parameters, i) => ({ parameters, learningRateFactor: decay ** (layers.length - 1 - i) }))
}

/** The group of each parameter that has one. @throws QuernError 'config' for patterns without a match and unfit factors */
export function groupsByPath(
  groups: readonly ParameterGroup[],
  paths: readonly string[],
): ReadonlyMap<string, ParameterGroup> {
  const found = new Map<string, ParameterGroup>()
  for (const [i, group] of groups.entries()) {
    const what = `groups[${i}]`
    const { learningRateFactor = 1, weightDecay = 0 } = group
    for (const [name, value] of Object.entries({ learningRateFactor, weightDecay })) {
      if (value >= 0 && value < Infinity) continue
      throw new QuernError('config', `${what}.${name} must be a number >= 0, received ${value}`)
    }
    const { fromEpoch = 1 } = group
    if (!Number.isInteger(fromEpoch) || fromEpoch < 1) {
      throw new QuernError('config', `${what}.fromEpoch must be a whole number of at least 1, received ${fromEpoch}`)
    }
    for (const path of matchingAny(group.parameters, paths, what)) if (!found.has(path)) found.set(path, group)
  }
  return found
}

/** Paths that any of some patterns means; each pattern must mean one. */
export function matchingAny(
  patterns: Pattern | readonly Pattern[],
  paths: readonly string[],
  what: string,
): readonly string[] {
  const all = typeof patterns === 'string' || patterns instanceof RegExp ? [patterns] : patterns
  return all.flatMap((pattern) => matching(pattern, paths, what))
}

/** The optimizer of a group, given the one that its objective has. */
export function optimizerOf({ optimizer, weightDecay }: ParameterGroup, objectives: Optimizer): Optimizer {
  const own = optimizer === undefined ? objectives : optimizerFrom(optimizer)
  if (weightDecay === undefined || own.config.weightDecay === weightDecay) return own
  if (own.config.weightDecay === undefined && weightDecay > 0) {
    throw new QuernError('config', `a group sets weightDecay, which ${own.name} does not have`, {
      hint: `Choose an optimizer with decoupled weight decay: { optimizer: { name: 'adamw', ... } }.`,
    })
  }
  return own.config.weightDecay === undefined ? own : createOptimizer({ ...own.config, weightDecay })
}

/** An optimizer by name, by its config, or itself. */
export function optimizerFrom(optimizer: string | NamedConfig | Optimizer): Optimizer {
  if (typeof optimizer === 'object' && 'update' in optimizer) return optimizer as Optimizer
  return createOptimizer(optimizer as string | NamedConfig)
}
