/**
 * The training step at work: one arena that holds parameters, gradients, optimiser slots and batches; one run of the step graph;
 * one pass of the optimiser's kernel. Built once, it allocates nothing per step.
 */
import { QuernError } from '../core/errors.ts'
import { type StaticShape, sizeOf } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { shapeOf, type Value } from '../graph/graph.ts'
import { initialParameters, type TracedMask, type TracedParameter } from '../nn/trace.ts'
import { writeModel } from '../onnx/write.ts'
import type { Segment } from '../optim/optimizer.ts'
import { segmentsOf, trainingRegions } from '../optim/segments.ts'
import { applyUpdate, penaltyOf } from '../optim/update.ts'
import { type Arena, createArena, planLayout, type Region, type TensorSpec } from '../runtime/arena.ts'
import type { BoundRun, Session } from '../runtime/backend.ts'
import { createKernels, type Kernels } from '../runtime/kernels/kernels.ts'
import { divergence, divergenceHint, nameOfNonFinite } from './divergence.ts'
import { evaluationGraph, type TrainingGraph, trainingGraph } from './graphs.ts'
import { checkStepOptions, type StepOptions } from './step-options.ts'

export interface StepResult {
  readonly loss: number
  /** norm of the gradient before clipping; undefined when nothing is clipped */
  readonly gradientNorm: number | undefined
}

/** A model in training: memory, graphs and the update, without any policy. */
export interface TrainingStep {
  /** where a batch is written before `run` or `evaluate`: arrays by column, for the most examples of either */
  readonly batch: Readonly<Record<string, Tensor>>
  /** predictions of the last run, `[count, ...]`, valid until the next one */
  predictions(count: number): Tensor<Float32Array>
  /**
   * One optimiser step on the first `count` examples of the batch; `step` counts from 1. Throws `numeric`, naming step and
   * parameter, when the loss or the norm of the gradient is not finite; nothing was updated then.
   */
  run(count: number, step: number, learningRate: number): Promise<StepResult>
  /** Throws `numeric`, with the name, when a parameter or state is not finite: what `step` did must not be kept. */
  checkFinite(step: number): void
  /** Loss of the first `count` examples, in inference mode; nothing is changed. */
  evaluate(count: number): Promise<number>
  /** Parameters, states and optimiser slots as views on the arena, by 'parameters/dense/kernel'. */
  readonly state: ReadonlyMap<string, Tensor>
  /** Parameters (with `ema` their averages) and states by path, as views on the arena: what is evaluated and exported. */
  readonly parameters: ReadonlyMap<string, Tensor>
  /** number of trained elements */
  readonly trainableCount: number
  /** most examples of an evaluation run */
  readonly evaluationBatchSize: number
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

interface Bound {
  readonly session: Session
  readonly run: BoundRun
}

interface TrainingSession {
  readonly session: Session
  readonly made: TrainingGraph
}

/** One run of the step graph, on some examples of the batch. */
interface Part {
  readonly run: BoundRun
  /** of the batch: what its loss and its gradients count for */
  readonly share: number
  readonly masks: readonly MaskDraw[]
  readonly moves: readonly StateMove[]
}

/** Where a mask is drawn to before each step, from which stream of random numbers. */
interface MaskDraw {
  readonly address: number
  readonly count: number
  readonly stream: number
  readonly rate: number
}

/** A state's new value, copied over the old one after each step. */
interface StateMove {
  readonly to: number
  readonly from: number
  readonly count: number
}

class Step implements TrainingStep {
  readonly batch: Readonly<Record<string, Tensor>>
  readonly state: ReadonlyMap<string, Tensor>
  readonly parameters: ReadonlyMap<string, Tensor>
  readonly trainableCount: number
  readonly arenaBytes: number
  readonly evaluationBatchSize: number
  readonly #options: StepOptions
  readonly #arena: Arena
  readonly #kernels: Kernels
  readonly #segments: readonly Segment[]
  /** by examples of the batch */
  readonly #training = new Map<number, readonly Part[]>()
  /** by examples of a part */
  readonly #sessions = new Map<number, TrainingSession>()
  readonly #evaluation = new Map<number, Bound>()
  readonly #predictions = new Map<number, Tensor<Float32Array>>()
  readonly #lossView: Float32Array
  readonly #first: TrainingGraph
  /** most examples of a part */
  readonly #partSize: number
  /** region that the runtime writes gradients to: `gradients`, unless they are added up there */
  readonly #fresh: 'gradients' | 'partGradients'

  constructor(options: StepOptions) {
    this.#options = options
    const { network, optimizer, batchSize, random, evaluationBatchSize = 256, ema, accumulate = 1 } = options
    this.evaluationBatchSize = evaluationBatchSize
    const most = Math.max(batchSize, evaluationBatchSize)
    this.#partSize = Math.ceil(batchSize / accumulate)
    this.#fresh = accumulate > 1 ? 'partGradients' : 'gradients'
    this.#first = trainingGraph(network, this.#partSize)
    const { parameters, predictions, masks } = this.#first
    const trained = parameters.filter((p) => p.trainable)
    const parameterLayout = planLayout(trained.map(specOf))
    const stateLayout = planLayout(parameters.filter((p) => !p.trainable).map(specOf))
    const [, ...example] = shapeOf(predictions) as StaticShape
    this.#arena = createArena({
      regions: {
        ...trainingRegions(parameterLayout, optimizer),
        ...(ema && { averages: parameterLayout }),
        ...(accumulate > 1 && { partGradients: parameterLayout }),
        states: stateLayout,
        nextStates: stateLayout,
        batch: planLayout(
          [...network.inputs, network.target].map((c) => ({ name: c.name, dtype: c.dtype, shape: [most, ...c.shape] })),
        ),
        masks: planLayout(
          masks.map(({ site, value }) => ({ name: site, dtype: 'float32', shape: shapeOf(value) as StaticShape })),
        ),
        results: planLayout([
          { name: 'loss', dtype: 'float32', shape: [] },
          { name: 'predictions', dtype: 'float32', shape: [most, ...example] },
        ]),
      },
    })
    this.arenaBytes = this.#arena.byteLength
    this.#lossView = this.#arena.region('results').view('loss').data as Float32Array
    this.#kernels = createKernels(this.#arena.memory)
    const decays = new Map(trained.map(({ path, spec }) => [path, spec.decay ?? spec.shape.length > 1]))
    this.#segments = segmentsOf(this.#arena, optimizer, ({ name }) => ({
      decayFactor: decays.get(name) ? 1 : 0,
      learningRateFactor: 1,
    }))
    this.trainableCount = trained.reduce((sum, { spec }) => sum + sizeOf(spec.shape), 0)
    this.batch = Object.fromEntries(this.#arena.region('batch').views)
    this.parameters = new Map(parameters.map((p) => [p.path, this.#kept(p).view(p.path)]))
    const regions = ['parameters', 'states', ...optimizer.slots, ...(ema ? ['averages'] : [])]
    this.state = new Map(
      regions.flatMap((name) => [...this.#arena.region(name).views].map(([path, view]) => [`${name}/${path}`, view])),
    )
    const initial = initialParameters(parameters, random.fork('initial'))
    for (const parameter of parameters) {
      const { data } = initial.get(parameter.path)!
      for (const region of [this.#home(parameter), this.#kept(parameter)]) {
        ;(region.view(parameter.path).data as Float32Array).set(data)
      }
    }
  }

  #home(parameter: TracedParameter): Region {
    return this.#arena.region(parameter.trainable ? 'parameters' : 'states')
  }

  /** Where a parameter's value for use is kept: what is evaluated and exported. */
  #kept(parameter: TracedParameter): Region {
    return parameter.trainable && this.#options.ema ? this.#arena.region('averages') : this.#home(parameter)
  }

  /** Makes the session of the full batch, so that errors of the model show before the first epoch. */
  async prepare(): Promise<void> {
    await this.#trainingFor(this.#options.batchSize)
  }

  predictions(count: number): Tensor<Float32Array> {
    let rows = this.#predictions.get(count)
    if (!rows) {
      rows = rowsOf(this.#arena.region('results').view('predictions'), count) as Tensor<Float32Array>
      this.#predictions.set(count, rows)
    }
    return rows
  }

  async run(count: number, step: number, learningRate: number): Promise<StepResult> {
    const parts = this.#training.get(count) ?? (await this.#trainingFor(count))
    const { optimizer, rules } = this.#options
    let loss = 0
    for (const [i, part] of parts.entries()) {
      if (i > 0) this.#move(parts[i - 1]!)
      loss += await this.#runPart(part, i, step)
      if (!Number.isFinite(loss)) throw this.#diverged(loss, step, count)
    }
    const penalty = penaltyOf(this.#kernels, this.#segments, rules)
    const scalars = { learningRate, step, gradientScale: 1 }
    const update = applyUpdate(this.#kernels, optimizer, this.#segments, rules, scalars)
    if (!update.applied) throw this.#diverged(loss, step, count)
    this.#move(parts.at(-1)!)
    this.#average(step)
    return { loss: loss + penalty, gradientNorm: update.gradientNorm }
  }

  /** Runs the graph on a part and adds its gradients to those of the parts before; its share of the loss. */
  async #runPart({ run, masks, share }: Part, index: number, step: number): Promise<number> {
    const { random, accumulate = 1 } = this.#options
    for (const { address, count, stream, rate } of masks) {
      this.#kernels.dropoutMask(address, count, { seed: random.seed, stream, step: step * accumulate + index }, rate)
    }
    await run.run()
    if (this.#fresh !== 'gradients') {
      const [sum, part] = [this.#arena.region('gradients'), this.#arena.region(this.#fresh)]
      if (index === 0) this.#kernels.fill(sum.byteOffset, sum.byteLength / 4, 0)
      this.#kernels.axpy(sum.byteOffset, part.byteOffset, sum.byteLength / 4, share)
    }
    return this.#lossView[0]! * share
  }

  #move({ moves }: Part): void {
    for (const { to, from, count } of moves) this.#kernels.copy(to, from, count)
  }

  #average(step: number): void {
    const { ema } = this.#options
    if (!ema) return
    const [averages, parameters] = [this.#arena.region('averages'), this.#arena.region('parameters')]
    const decay = Math.min(ema.decay, (1 + step) / (10 + step))
    this.#kernels.approach(averages.byteOffset, parameters.byteOffset, parameters.byteLength / 4, 1 - decay)
  }

  async evaluate(count: number): Promise<number> {
    let bound = this.#evaluation.get(count)
    if (!bound) {
      const { graph, loss, predictions, parameters } = evaluationGraph(this.#options.network, count)
      const session = await this.#createSession(graph)
      const feeds = this.#feeds(parameters, count, (p) => this.#kept(p))
      bound = { session, run: session.bind(feeds, this.#results(loss, predictions, count)) }
      this.#evaluation.set(count, bound)
    }
    await bound.run.run()
    return this.#lossView[0]!
  }

  checkFinite(step: number): void {
    const bad = nameOfNonFinite(this.#kernels, this.#arena, 'parameters', 'states')
    if (bad)
      throw new QuernError('numeric', `parameter '${bad}' is not finite after step ${step}`, { hint: divergenceHint })
  }

  async release(): Promise<void> {
    for (const { session } of [...this.#sessions.values(), ...this.#evaluation.values()]) await session.release()
    this.#sessions.clear()
    this.#predictions.clear()
    this.#training.clear()
    this.#evaluation.clear()
  }

  async #trainingFor(count: number): Promise<readonly Part[]> {
    const known = this.#training.get(count)
    if (known) return known
    const parts: Part[] = []
    for (let first = 0; first < count; first += this.#partSize) {
      parts.push(await this.#part(first, Math.min(this.#partSize, count - first), count))
    }
    this.#training.set(count, parts)
    return parts
  }

  async #part(first: number, count: number, whole: number): Promise<Part> {
    const { session, made } = await this.#sessionFor(count)
    const trained = made.parameters.filter((p) => p.trainable)
    const results = this.#results(made.loss, made.predictions, count, first)
    made.gradients.forEach((value, i) => {
      results[value.name] = this.#arena.region(this.#fresh).view(trained[i]!.path)
    })
    const next = this.#arena.region('nextStates')
    for (const [path, value] of made.updates) results[value.name] = next.view(path)
    const feeds = this.#feeds(made.parameters, count, (p) => this.#home(p), first)
    for (const { site, value } of made.masks) {
      feeds[value.name] = prefix(this.#arena.region('masks').view(site), shapeOf(value) as StaticShape)
    }
    return {
      run: session.bind(feeds, results),
      share: count / whole,
      masks: made.masks.map((mask) => this.#drawOf(mask)),
      moves: [...made.updates.keys()].map((path) => this.#moveOf(path)),
    }
  }

  async #sessionFor(count: number): Promise<TrainingSession> {
    let known = this.#sessions.get(count)
    if (!known) {
      const made = count === this.#partSize ? this.#first : trainingGraph(this.#options.network, count)
      known = { made, session: await this.#createSession(made.graph) }
      this.#sessions.set(count, known)
    }
    return known
  }

  #drawOf({ site, rate, value }: TracedMask): MaskDraw {
    const { byteOffset, layout } = this.#arena.region('masks')
    return {
      address: byteOffset + layout.places.get(site)!.byteOffset,
      count: sizeOf(shapeOf(value) as StaticShape),
      stream: this.#options.random.fork('dropout').fork(site).stream,
      rate,
    }
  }

  #moveOf(path: string): StateMove {
    const [states, next] = [this.#arena.region('states'), this.#arena.region('nextStates')]
    const { byteOffset, byteLength } = states.layout.places.get(path)!
    return { to: states.byteOffset + byteOffset, from: next.byteOffset + byteOffset, count: byteLength / 4 }
  }

  #feeds(
    parameters: readonly TracedParameter[],
    count: number,
    regionOf: (parameter: TracedParameter) => Region,
    first = 0,
  ): Record<string, Tensor> {
    const feeds: Record<string, Tensor> = {}
    for (const [name, view] of Object.entries(this.batch)) feeds[name] = rowsOf(view, count, first)
    for (const parameter of parameters) feeds[parameter.path] = regionOf(parameter).view(parameter.path)
    return feeds
  }

  #results(loss: Value, predictions: Value, count: number, first = 0): Record<string, Tensor> {
    const { views } = this.#arena.region('results')
    return { [loss.name]: views.get('loss')!, [predictions.name]: rowsOf(views.get('predictions')!, count, first) }
  }

  #createSession(graph: TrainingGraph['graph']): Promise<Session> {
    return this.#options.backend.createSession(writeModel(graph).model, this.#options.session)
  }

  /** Nothing was updated yet. */
  #diverged(loss: number, step: number, count: number): QuernError {
    const batch = Object.fromEntries(Object.entries(this.batch).map(([name, view]) => [name, rowsOf(view, count)]))
    return divergence(this.#kernels, this.#arena, {
      loss,
      step,
      batch,
      count,
      gradients: [...new Set([this.#fresh, 'gradients'])],
    })
  }
}

function specOf({ path, spec }: TracedParameter): TensorSpec {
  return { name: path, dtype: 'float32', shape: spec.shape }
}

/** `count` examples of a batch column, as a view. */
function rowsOf({ dtype, shape: [, ...example], data }: Tensor, count: number, first = 0): Tensor {
  const size = sizeOf(example)
  return {
    dtype,
    shape: [count, ...example],
    data: (data as Float32Array).subarray(first * size, (first + count) * size),
  }
}

function prefix({ dtype, data }: Tensor, shape: StaticShape): Tensor {
  return { dtype, shape, data: (data as Float32Array).subarray(0, sizeOf(shape)) }
}
