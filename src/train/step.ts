/**
 * The training step at work: one arena that holds parameters, gradients, optimiser slots and batches; one run of the step graph;
 * one pass of the optimiser's kernel. Built once, it allocates nothing per step.
 */
import { QuernError } from '../core/errors.ts'
import { sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { applyUpdates, type GradientRules, gradientRules, penaltyOf } from '../optim/update.ts'
import { createKernels, type Kernels } from '../runtime/kernels/kernels.ts'
import { assignParameters, stagesOf } from './assign.ts'
import { divergence, divergenceHint, nameOfNonFinite } from './divergence.ts'
import { draw } from './draws.ts'
import { traceJoint } from './joint-trace.ts'
import { createStepMemory, rowsOf, type StepMemory, type UpdateGroup } from './memory.ts'
import { type JointNetwork, jointFrom } from './network.ts'
import { type Due, type NamedScalar, type Part, StepSessions } from './sessions.ts'
import { checkStepOptions, type StepOptions } from './step-options.ts'

export interface StepResult {
  /** sum of the losses of the objectives that took part, penalties included */
  readonly loss: number
  /** norm of the gradient before clipping; undefined when nothing is clipped */
  readonly gradientNorm: number | undefined
}

/** A model in training: memory, graphs and the update, without any policy. */
export interface TrainingStep {
  /** where a batch is written before `run` or `evaluate`: arrays by column, for the most examples of either */
  readonly batch: Readonly<Record<string, Tensor>>
  /** An output of the last run (with `keepOutputs: false`, of the last evaluation), `[count, ...]`, valid until the next one; default: the first, such as the predictions. */
  predictions(count: number, output?: string): Tensor<Float32Array>
  /**
   * One optimiser step on the first `count` examples of the batch; `step` counts from 1. Throws `numeric`, naming step and
   * parameter, when the loss or the norm of the gradient is not finite; nothing was updated then.
   */
  run(count: number, step: number, learningRate: number): Promise<StepResult>
  /** Throws `numeric`, with the name, when a parameter or state is not finite: what `step` did must not be kept. */
  checkFinite(step: number): void
  /**
   * Sum of the losses of the first `count` examples, in inference mode; nothing is changed. `index` counts batches: random numbers
   * of objectives are those of the seed and the index, the same at each evaluation.
   */
  evaluate(count: number, index?: number): Promise<number>
  /** With `swa`: takes the parameters into their means as the `count`-th; 1 begins anew. States of the means are those of training then. */
  averageWeights(count: number): void
  /**
   * With `swa`: adds what the first `count` examples of the batch give, in training mode and under the mean weights, to the statistics of the
   * means (of batch normalisation), weighted by `share`; the first, of index 0, begins anew. False: there are none.
   */
  gatherStatistics(count: number, index: number, share: number): Promise<boolean>
  /** Names of what `scalars` holds: objectives, where there are several, and what objectives report. */
  readonly scalarNames: readonly string[]
  /** Losses and reported values of the last run or evaluation, by name: those of objectives that took part in it. */
  scalars(): Readonly<Record<string, number>>
  /** Parameters, states and optimiser slots as views on the arena, by 'parameters/dense/kernel'. */
  readonly state: ReadonlyMap<string, Tensor>
  /** Parameters (with `ema` their averages) and states by path, as views on the arena: what is evaluated and exported. */
  readonly parameters: ReadonlyMap<string, Tensor>
  /** number of trained elements */
  readonly trainableCount: number
  /** most examples of an evaluation run */
  readonly evaluationBatchSize: number
  /** most examples of one run in training mode */
  readonly partSize: number
  /** bytes of the arena */
  readonly arenaBytes: number
  release(): Promise<void>
}

/** Builds graphs and memory. Sessions are made when a batch size first occurs: the last batch of an epoch is smaller. */
export async function createTrainingStep(options: StepOptions): Promise<TrainingStep> {
  checkStepOptions(options)
  const step = new Step(options)
  await step.prepare()
  return step
}

/** Objectives that run together, and what is updated after them. */
interface Phase {
  readonly due: Due
  /** one list for each objective: clipping sees the gradients of one */
  readonly updates: readonly { readonly every: number; readonly groups: readonly UpdateGroup[] }[]
}

class Step implements TrainingStep {
  readonly batch: Readonly<Record<string, Tensor>>
  readonly scalarNames: readonly string[]
  readonly trainableCount: number
  readonly evaluationBatchSize: number
  readonly partSize: number
  readonly #options: StepOptions
  readonly #network: JointNetwork
  readonly #rules: GradientRules
  readonly #memory: StepMemory
  readonly #kernels: Kernels
  readonly #sessions: StepSessions
  readonly #outputs = new Map<string, Map<number, Tensor<Float32Array>>>()
  /** by the set of objectives that are due */
  readonly #phases = new Map<Due, readonly Phase[]>()
  readonly #stages: readonly number[]
  readonly #scalars = new Map<string, number>()
  /** the last run left no outputs */
  #hasNoOutputs = false

  constructor(options: StepOptions) {
    this.#options = options
    const { optimizer, batchSize, random, evaluationBatchSize = 256, ema, accumulate = 1, groups = [] } = options
    const network = jointFrom(options.network)
    const { objectives, columns } = network
    this.#network = network
    this.#rules = gradientRules(options.rules)
    this.evaluationBatchSize = evaluationBatchSize
    const partSize = Math.ceil(batchSize / accumulate)
    const traced = traceJoint(network, { batch: partSize, training: true, objectives })
    const { stepsPerEpoch } = options
    const plan = assignParameters(traced.parameters, { objectives, optimizer, groups, stepsPerEpoch })
    this.#stages = stagesOf(plan)
    const capacity = Math.max(batchSize, evaluationBatchSize)
    const averaged = options.swa ? 'epochs' : ema && 'moving'
    const memory = createStepMemory({
      ...{ columns, traced, plan, capacity, random, averaged, accumulated: accumulate > 1 },
    })
    this.#memory = memory
    this.#kernels = createKernels(memory.arena.memory)
    const { backend, session } = options
    this.#sessions = new StepSessions({
      ...{ network, plan, memory, backend, session, random, partSize, traced },
      recompute: options.recompute,
      keepOutputs: options.keepOutputs,
    })
    const trained = traced.parameters.filter(({ path }) => plan.has(path))
    this.trainableCount = trained.reduce((sum, { spec }) => sum + sizeOf(spec.shape), 0)
    this.partSize = partSize
    this.batch = Object.fromEntries(memory.batch)
    this.scalarNames = [...(objectives.length > 1 ? traced.losses.keys() : []), ...traced.reports.keys()]
    for (const name of traced.outputs.keys()) this.#outputs.set(name, new Map())
  }

  get state(): ReadonlyMap<string, Tensor> {
    return this.#memory.state
  }

  get parameters(): ReadonlyMap<string, Tensor> {
    return this.#memory.kept
  }

  get arenaBytes(): number {
    return this.#memory.arena.byteLength
  }

  /** Makes the sessions of the full batch, so that errors of the model show before the first epoch. */
  async prepare(): Promise<void> {
    const all = this.#dueAt(0)
    const { backend, batchSize, recompute } = this.#options
    for (const { due } of this.#phasesOf(all)) await this.#sessions.parts(batchSize, due, 0)
    // Who takes longer to need less memory is given what building took, too.
    if (recompute !== undefined) await backend.giveMemoryBack?.()
  }

  predictions(count: number, output?: string): Tensor<Float32Array> {
    const name = output ?? this.#outputs.keys().next().value
    const known = name === undefined ? undefined : this.#outputs.get(name)
    if (!known || name === undefined) {
      throw new QuernError('input', `the network has no output${name === undefined ? '' : ` '${name}'`}`)
    }
    if (this.#hasNoOutputs) {
      throw new QuernError('input', 'the last run left no outputs, as keepOutputs: false asks for', {
        hint: 'Leave it out, or evaluate() first.',
      })
    }
    let rows = known.get(count)
    if (!rows) {
      rows = rowsOf(this.#memory.arena.region('outputs').view(name), count) as Tensor<Float32Array>
      known.set(count, rows)
    }
    return rows
  }

  scalars(): Readonly<Record<string, number>> {
    const found: Record<string, number> = {}
    for (const name of this.scalarNames) {
      const value = this.#scalars.get(name)
      if (value !== undefined) found[name] = value
    }
    return found
  }

  async run(count: number, step: number, learningRate: number): Promise<StepResult> {
    this.#scalars.clear()
    this.#hasNoOutputs = this.#options.keepOutputs === false
    let [loss, squares] = [0, 0]
    let gradientNorm: number | undefined
    for (const phase of this.#phasesOf(this.#dueAt(step))) {
      const stage = this.#stages.findLastIndex((begins) => step > begins)
      const parts =
        this.#sessions.known(count, phase.due, stage) ?? (await this.#sessions.parts(count, phase.due, stage))
      const found = await this.#runParts(parts, step)
      if (!Number.isFinite(found)) throw this.#diverged(found, step, count)
      loss += found
      for (const { every, groups } of phase.updates) {
        const update = this.#update(groups, { step, every }, learningRate)
        if (!update.applied) throw this.#diverged(loss, step, count)
        loss += update.penalty
        if (update.gradientNorm !== undefined) squares += update.gradientNorm ** 2
        if (update.gradientNorm !== undefined) gradientNorm = Math.sqrt(squares)
      }
      this.#move(parts.at(-1)!)
      this.#average(phase, step)
    }
    return { loss, gradientNorm }
  }

  #update(all: readonly UpdateGroup[], at: { step: number; every: number }, learningRate: number) {
    const rules = this.#rules
    const groups = this.#stages.length === 1 ? all : all.filter(({ begins }) => at.step > begins)
    let penalty = 0
    for (const { segments } of groups) penalty += penaltyOf(this.#kernels, segments, rules)
    const scalars = { learningRate, step: at.step / at.every, gradientScale: 1 }
    return { penalty, ...applyUpdates(this.#kernels, groups, rules, scalars, at.every) }
  }

  /** Runs the graph on each part of the batch and adds the gradients up; the loss of the whole. */
  async #runParts(parts: readonly Part[], step: number): Promise<number> {
    const { random, accumulate = 1 } = this.#options
    let loss = 0
    for (const [i, { run, draws, cleared, share, scalars }] of parts.entries()) {
      if (i > 0) this.#move(parts[i - 1]!)
      for (const { byteOffset, length } of cleared) this.#kernels.fill(byteOffset, length, 0)
      draw(this.#kernels, draws, random.seed, step * accumulate + i)
      await run.run()
      this.#addGradients(i, share)
      loss += this.#read(scalars, share)
      if (!Number.isFinite(loss)) break
    }
    return loss
  }

  /** Adds the gradients of a part to those of the parts before. */
  #addGradients(part: number, share: number): void {
    for (const { gradients, fresh } of this.#memory.groups) {
      if (fresh === gradients) return
      if (part === 0) this.#kernels.fill(gradients.byteOffset, gradients.byteLength / 4, 0)
      this.#kernels.axpy(gradients.byteOffset, fresh.byteOffset, gradients.byteLength / 4, share)
    }
  }

  /** Takes in what a run wrote, weighted by its share of the batch; the sum of the losses. */
  #read(scalars: readonly NamedScalar[], share: number): number {
    let loss = 0
    for (const { name, view, isLoss } of scalars) {
      const value = view[0]! * share
      this.#scalars.set(name, (this.#scalars.get(name) ?? 0) + value)
      if (isLoss) loss += value
    }
    return loss
  }

  #move({ moves }: Part): void {
    for (const { to, from, count } of moves) this.#kernels.copy(to, from, count)
  }

  #average({ updates }: Phase, step: number): void {
    const { ema } = this.#options
    if (!ema) return
    for (const { every, groups } of updates) {
      const decay = Math.min(ema.decay, (1 + step / every) / (10 + step / every))
      for (const { averages, parameters } of groups) {
        this.#kernels.approach(averages!.byteOffset, parameters.byteOffset, parameters.byteLength / 4, 1 - decay)
      }
    }
  }

  async evaluate(count: number, index = 0): Promise<number> {
    const { run, scalars, draws, kernels } = await this.#sessions.evaluation(count)
    if (kernels) draw(kernels, draws, this.#options.random.seed, index)
    await run.run()
    this.#hasNoOutputs = false
    this.#scalars.clear()
    return this.#read(scalars, 1)
  }

  averageWeights(count: number): void {
    const { arena, groups } = this.#memory
    for (const { averages, parameters } of groups) {
      const [to, from, size] = [averages!.byteOffset, parameters.byteOffset, parameters.byteLength / 4]
      if (count === 1) this.#kernels.copy(to, from, size)
      else this.#kernels.approach(to, from, size, 1 / count)
    }
    const { byteOffset, byteLength } = arena.region('states')
    this.#kernels.copy(arena.region('averageStates').byteOffset, byteOffset, byteLength / 4)
  }

  async gatherStatistics(count: number, index: number, share: number): Promise<boolean> {
    const found = await this.#sessions.statistics(count)
    if (!found) return false
    draw(this.#kernels, found.draws, this.#options.random.seed, index)
    await found.run.run()
    for (const { to, from, count: size } of found.means) {
      if (index === 0) this.#kernels.fill(to, size, 0)
      this.#kernels.axpy(to, from, size, share)
    }
    return true
  }

  checkFinite(step: number): void {
    const bad = nameOfNonFinite(this.#kernels, this.#memory.arena, ...this.#memory.watched)
    if (bad)
      throw new QuernError('numeric', `parameter '${bad}' is not finite after step ${step}`, { hint: divergenceHint })
  }

  async release(): Promise<void> {
    await this.#sessions.release()
    for (const known of this.#outputs.values()) known.clear()
  }

  #dueAt(step: number): Due {
    let due = 0
    for (const [i, { every = 1 }] of this.#network.objectives.entries()) if (step % every === 0) due += 2 ** i
    return due
  }

  #phasesOf(due: Due): readonly Phase[] {
    const known = this.#phases.get(due)
    if (known) return known
    const { objectives, order = 'simultaneous' } = this.#network
    const bits = objectives.flatMap((_, i) => ((due >> i) & 1 ? [i] : []))
    const sets = order === 'alternating' ? bits.map((bit) => [bit]) : [bits]
    const phases = sets.map((set) => ({
      due: set.reduce((sum, bit) => sum + 2 ** bit, 0),
      updates: set.map((bit) => {
        const { name, every = 1 } = objectives[bit]!
        return { every, groups: this.#memory.groups.filter(({ objective }) => objective === name) }
      }),
    }))
    this.#phases.set(due, phases)
    return phases
  }

  /** The error of a step: nothing of what ran last was updated. */
  #diverged(loss: number, step: number, count: number): QuernError {
    const { arena, groups, watched } = this.#memory
    const batch = Object.fromEntries(Object.entries(this.batch).map(([name, view]) => [name, rowsOf(view, count)]))
    return divergence(this.#kernels, arena, {
      loss,
      step,
      batch,
      count,
      parameters: watched,
      gradients: [...new Set(groups.flatMap(({ fresh, gradients }) => [fresh.name, gradients.name]))],
    })
  }
}
