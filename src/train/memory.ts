/**
 * The memory of a training step: one arena, laid out once for the largest batch. Parameters that one optimizer updates for one
 * objective lie side by side, so that an update is a few kernel calls; what is not trained has no gradient and no slots.
 */
import type { Random } from '../core/random.ts'
import { type StaticShape, sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { shapeOf } from '../graph/graph.ts'
import { type TracedParameter, writeInitialParameter } from '../nn/trace.ts'
import type { Optimizer, Segment } from '../optim/optimizer.ts'
import { segmentsOf, trainingRegions } from '../optim/segments.ts'
import { type Arena, createArena, type Layout, planLayout, type Region, type TensorSpec } from '../runtime/arena.ts'
import type { Assigned, ParameterPlan } from './assign.ts'
import { layoutOfDraws } from './draws.ts'
import type { JointTrace } from './joint-trace.ts'
import type { ColumnSpec } from './network.ts'

/** Parameters of one objective and one optimizer. */
export interface UpdateGroup {
  readonly objective: string
  readonly optimizer: Optimizer
  /** steps of the run before they are trained */
  readonly begins: number
  readonly segments: readonly Segment[]
  readonly parameters: Region
  readonly gradients: Region
  /** where the runtime writes gradients to: `gradients`, unless those of the parts of a batch are added up there */
  readonly fresh: Region
  /** moving average of the parameters */
  readonly averages: Region | undefined
  readonly slots: readonly Region[]
}

export interface StepMemory {
  readonly arena: Arena
  readonly groups: readonly UpdateGroup[]
  /** columns, for the most examples of any run */
  readonly batch: ReadonlyMap<string, Tensor>
  /** what a checkpoint holds, by 'parameters/dense/kernel' */
  readonly state: ReadonlyMap<string, Tensor>
  /** what is evaluated and exported, by path */
  readonly kept: ReadonlyMap<string, Tensor>
  /** parameters and states as training reads them, by path */
  readonly home: ReadonlyMap<string, Tensor>
  /** where the runtime writes the gradient of a parameter, by path */
  readonly fresh: ReadonlyMap<string, Tensor>
  /** regions of parameters and states, for the search for values that are not finite */
  readonly watched: readonly string[]
}

export interface MemoryOptions {
  readonly columns: readonly ColumnSpec[]
  /** of the largest part of a batch, with all objectives in it */
  readonly traced: JointTrace
  readonly plan: ParameterPlan
  /** most examples of any run */
  readonly capacity: number
  /** by a moving average of the parameters, or by means of epochs, which have states of their own */
  readonly averaged: 'moving' | 'epochs' | undefined
  /** gradients of several runs are added up */
  readonly accumulated: boolean
  readonly random: Random
}

/** Plans, allocates and fills the parameters with their initial values. */
export function createStepMemory(options: MemoryOptions): StepMemory {
  const { traced, plan, random } = options
  const members = groupMembers(traced.parameters, plan)
  const arena = createArena({ regions: { ...groupRegions(members, options), ...sharedRegions(options) } })
  const groups = members.map((group, i) => updateGroup(arena, group, i, plan, options))
  const still = ['states', 'frozen'].map((name) => arena.region(name))
  const home = new Map([...groups.map(({ parameters }) => parameters), ...still].flatMap(({ views }) => [...views]))
  const averageStates = options.averaged === 'epochs' ? [arena.region('averageStates')] : []
  const averages = [...groups.flatMap((group) => group.averages ?? []), ...averageStates]
  const kept = new Map([...home, ...averages.flatMap(({ views }) => [...views])])
  const source = random.fork('initial')
  // Where they are to be: arrays beside the arena would not all be free again in time.
  for (const parameter of traced.parameters) {
    const [values, average] = [home, kept].map((views) => views.get(parameter.path)!.data as Float32Array)
    writeInitialParameter(parameter, source, values!)
    if (average !== values) average!.set(values!)
  }
  return {
    arena,
    groups,
    batch: arena.region('batch').views,
    state: stateOf(groups, [...still, ...averageStates]),
    // In the order of the trace, as a user knows it.
    kept: new Map(traced.parameters.map(({ path }) => [path, kept.get(path)!])),
    home,
    fresh: new Map(groups.flatMap(({ fresh }) => [...fresh.views])),
    watched: [...groups.map(({ parameters }) => parameters.name), ...still.map(({ name }) => name)],
  }
}

interface Members extends Pick<Assigned, 'objective' | 'optimizer' | 'begins'> {
  readonly layout: Layout
}

function groupMembers(parameters: readonly TracedParameter[], plan: ParameterPlan): readonly Members[] {
  const groups: (Pick<Assigned, 'objective' | 'optimizer' | 'begins'> & { members: TracedParameter[] })[] = []
  for (const parameter of parameters) {
    const assigned = plan.get(parameter.path)
    if (!assigned) continue
    const { objective, optimizer, begins } = assigned
    const known = groups.find(
      (group) => group.objective === objective && group.optimizer === optimizer && group.begins === begins,
    )
    if (known) known.members.push(parameter)
    else groups.push({ objective, optimizer, begins, members: [parameter] })
  }
  return groups.map(({ members, ...group }) => ({ ...group, layout: planLayout(members.map(specOf)) }))
}

const suffixOf = (index: number) => (index === 0 ? '' : `#${index}`)

function groupRegions(groups: readonly Members[], { averaged, accumulated }: MemoryOptions): Record<string, Layout> {
  const regions = groups.map(({ layout, optimizer }, i) => ({
    ...trainingRegions(layout, optimizer, suffixOf(i)),
    ...(averaged && { [`averages${suffixOf(i)}`]: layout }),
    ...(accumulated && { [`partGradients${suffixOf(i)}`]: layout }),
  }))
  return Object.assign({}, ...regions) as Record<string, Layout>
}

/** What is there once, however many groups there are. */
function sharedRegions({ traced, plan, columns, capacity, averaged }: MemoryOptions): Record<string, Layout> {
  const { parameters, losses, reports, outputs } = traced
  const { updates, draws } = traced.tracer
  const isState = ({ path, trainable }: TracedParameter) => !trainable || updates.has(path)
  const states = planLayout(parameters.filter((p) => !plan.has(p.path) && isState(p)).map(specOf))
  return {
    states,
    nextStates: states,
    ...(averaged === 'epochs' && { averageStates: states }),
    frozen: planLayout(parameters.filter((p) => !plan.has(p.path) && !isState(p)).map(specOf)),
    batch: planLayout(columns.map(({ name, dtype, shape }) => ({ name, dtype, shape: [capacity, ...shape] }))),
    draws: layoutOfDraws(draws),
    losses: planLayout([...losses.keys(), ...reports.keys()].map((name) => ({ name, dtype: 'float32', shape: [] }))),
    outputs: planLayout(
      [...outputs].map(([name, value]) => ({
        name,
        dtype: 'float32',
        shape: [capacity, ...exampleOf(shapeOf(value))],
      })),
    ),
  }
}

const exampleOf = (shape: readonly unknown[]) => shape.slice(1) as StaticShape

function updateGroup(
  arena: Arena,
  { objective, optimizer, begins }: Members,
  index: number,
  plan: ParameterPlan,
  { averaged, accumulated }: MemoryOptions,
): UpdateGroup {
  const suffix = suffixOf(index)
  const region = (name: string) => arena.region(`${name}${suffix}`)
  return {
    objective,
    optimizer,
    begins,
    segments: segmentsOf(arena, optimizer, ({ name }) => plan.get(name)!, suffix),
    parameters: region('parameters'),
    gradients: region('gradients'),
    fresh: region(accumulated ? 'partGradients' : 'gradients'),
    averages: averaged ? region('averages') : undefined,
    slots: optimizer.slots.map(region),
  }
}

function stateOf(groups: readonly UpdateGroup[], still: readonly Region[]): ReadonlyMap<string, Tensor> {
  const regions = [
    ...groups.map(({ parameters }) => parameters),
    ...still,
    ...groups.flatMap(({ slots, averages }) => [...slots, ...(averages ? [averages] : [])]),
  ]
  return new Map(
    regions.flatMap(({ name, views }) =>
      [...views].map(([path, view]) => [`${name.replace(/#\d+$/, '')}/${path}`, view] as const),
    ),
  )
}

function specOf({ path, spec }: TracedParameter): TensorSpec {
  return { name: path, dtype: 'float32', shape: spec.shape }
}

/** `count` examples of a column or an output from the `first` on, as a view. */
export function rowsOf({ dtype, shape: [, ...example], data }: Tensor, count: number, first = 0): Tensor {
  const size = sizeOf(example)
  return {
    dtype,
    shape: [count, ...example],
    data: (data as Float32Array).subarray(first * size, (first + count) * size),
  }
}
