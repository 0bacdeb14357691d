/**
 * The training loop as an async generator of events. It draws no progress bar and opens no file: who consumes the events decides
 * what becomes of them. Stopping early (`return`, an abort signal) leaves a checkpoint from which the run goes on bit for bit.
 */
import type { Clock } from '../core/ports.ts'
import { QuernError } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Tensor } from '../core/tensor.ts'
import type { EpochEvent, Scores, TrainEvent } from '../contract/events.ts'
import type { Augment } from '../data/augment.ts'
import { type Batches, createBatches } from '../data/batches.ts'
import type { Dataset } from '../data/dataset.ts'
import type { NumericArray } from '../data/gather.ts'
import type { Schedule } from '../optim/schedule.ts'
import { type CheckpointStore, encodeCheckpoint, type Position, restoreCheckpoint } from './checkpoint.ts'
import { isBetter, type Monitor, monitoredValue, resolveMonitor } from './monitor.ts'
import type { Scorer } from './scores.ts'
import type { TrainingStep } from './step.ts'

export interface EarlyStopping {
  /** epochs without improvement after which the run ends */
  readonly patience: number
  /** least change that counts as improvement; default 0 */
  readonly minDelta?: number
}

export interface LoopOptions {
  readonly step: TrainingStep
  readonly train: Dataset
  readonly validation?: Dataset | undefined
  readonly target: string
  readonly epochs: number
  readonly batchSize: number
  readonly evaluationBatchSize?: number
  readonly schedule: Schedule
  /** a new scorer at each call: one for training, one for validation of each epoch */
  readonly scorer: () => Scorer
  readonly random: Random
  readonly augment?: { readonly column: string; readonly apply: Augment } | undefined
  /** what decides which epoch is best, such as 'validationLoss'; default: validation loss, or loss without validation */
  readonly monitor?: string | undefined
  readonly earlyStopping?: EarlyStopping | undefined
  readonly checkpoints: CheckpointStore
  readonly clock: Clock
  readonly device: string
  /** hash of whatever must not change between a run and its resumption */
  readonly fingerprint: string
  readonly resume?: boolean
  /** stops after the step that is going on */
  readonly signal?: AbortSignal | undefined
}

/** Trains; the parameters of `step` end as those of the best epoch. */
export async function* runLoop(options: LoopOptions): AsyncGenerator<TrainEvent, void> {
  yield* new Loop(options).run()
}

/** Mean loss and metrics of a dataset, in inference mode; the dataset's own order. `onBatch` sees the predictions. */
export async function evaluateDataset(
  step: TrainingStep,
  dataset: Dataset,
  options: {
    target: string
    batchSize: number
    scorer: Scorer
    onBatch?: (predictions: Tensor<Float32Array>, first: number) => void
    signal?: AbortSignal | undefined
  },
): Promise<Scores> {
  const { target, batchSize, scorer, onBatch } = options
  const batches = createBatches(dataset, { batchSize, into: arraysOf(step) })
  let sum = 0
  for (let i = 0; i < batches.steps; i++) {
    const count = batches.fill(i)
    sum += (await step.evaluate(count)) * count
    const predictions = step.predictions(count)
    scorer.add(predictions, firstTargets(step, target, count))
    onBatch?.(predictions, i * batchSize)
    if (options.signal?.aborted) break
  }
  return { loss: sum / dataset.length, ...scorer.values() }
}

class Loop {
  readonly #o: LoopOptions
  readonly #batches: Batches
  readonly #total: number
  readonly #monitor: Monitor
  #scorer: Scorer
  #position: Position

  constructor(options: LoopOptions) {
    this.#o = options
    const { train, batchSize, random, augment, epochs } = options
    this.#batches = createBatches(train, {
      batchSize,
      into: arraysOf(options.step),
      random: random.fork('batches'),
      ...(augment ? { augment } : {}),
    })
    this.#total = this.#batches.steps * epochs
    this.#scorer = options.scorer()
    this.#monitor = resolveMonitor(options.monitor, this.#scorer, options.validation !== undefined)
    this.#position = {
      step: 0,
      epoch: 1,
      stepOfEpoch: 0,
      lossSum: 0,
      examples: 0,
      scores: [],
      history: [],
      best: undefined,
      waited: 0,
      schedule: undefined,
      fingerprint: options.fingerprint,
    }
  }

  async *run(): AsyncGenerator<TrainEvent, void> {
    const { step, train, validation, epochs, batchSize, random, device, clock, resume, earlyStopping } = this.#o
    const begun = clock.now()
    if (resume) await this.#restore()
    const from = this.#position.step
    yield {
      type: 'started',
      parameters: step.trainableCount,
      examples: { train: train.length, validation: validation?.length ?? 0 },
      epochs,
      stepsPerEpoch: this.#batches.steps,
      batchSize,
      seed: random.seed,
      device,
      ...(resume ? { resumedAt: from } : {}),
    }
    let training = 0
    let reason: 'finished' | 'early-stopping' | 'interrupted' = this.#outOfPatience(earlyStopping) ? 'early-stopping' : 'finished'
    while (reason === 'finished' && this.#position.epoch <= epochs) {
      const start = clock.now()
      this.#batches.start(this.#position.epoch)
      while (this.#position.stepOfEpoch < this.#batches.steps) {
        const before = clock.now()
        const event = await this.#step()
        training += clock.now() - before
        yield event
        if (this.#o.signal?.aborted) break
      }
      if (this.#o.signal?.aborted && this.#position.stepOfEpoch < this.#batches.steps) {
        reason = 'interrupted'
        yield await this.#checkpoint('last')
        break
      }
      const event = await this.#endEpoch(start)
      if (!event) {
        reason = 'interrupted'
        yield await this.#checkpoint('last')
        break
      }
      yield event
      if (event.best) yield await this.#checkpoint('best')
      yield await this.#checkpoint('last')
      if (this.#outOfPatience(earlyStopping)) reason = 'early-stopping'
      else if (this.#o.signal?.aborted && this.#position.epoch <= epochs) reason = 'interrupted'
    }
    const { history, best } = this.#position
    if (reason !== 'interrupted' && best && best.epoch !== history.at(-1)?.epoch) await this.#restoreBest()
    yield {
      type: 'done',
      reason,
      epochs: history.length,
      steps: this.#position.step,
      seconds: (clock.now() - begun) / 1000,
      bestEpoch: best?.epoch ?? 0,
      stepsPerSecond: training === 0 ? 0 : (this.#position.step - from) / (training / 1000),
    }
  }

  async #step(): Promise<TrainEvent> {
    const { step, target, schedule } = this.#o
    const { stepOfEpoch, epoch, step: done, lossSum, examples } = this.#position
    const count = this.#batches.fill(stepOfEpoch)
    const learningRate = schedule.at(done, this.#total)
    const { loss, gradientNorm } = await step.run(count, done + 1, learningRate)
    this.#scorer.add(step.predictions(count), firstTargets(step, target, count))
    this.#position = {
      ...this.#position,
      step: done + 1,
      stepOfEpoch: stepOfEpoch + 1,
      lossSum: lossSum + loss * count,
      examples: examples + count,
    }
    return {
      type: 'step',
      step: done + 1,
      epoch,
      stepOfEpoch: stepOfEpoch + 1,
      loss,
      scores: this.#trainScores(),
      learningRate,
      ...(gradientNorm === undefined ? {} : { gradientNorm }),
    }
  }

  #trainScores(): Scores {
    return { loss: this.#position.lossSum / this.#position.examples, ...this.#scorer.values() }
  }

  /** Validates and moves the position to the next epoch; undefined when the signal came in the middle of the validation. */
  async #endEpoch(start: number): Promise<EpochEvent | undefined> {
    const { step, validation, target, evaluationBatchSize = 256, scorer, schedule, clock, signal, earlyStopping } = this.#o
    const { epoch, step: done, best, history, waited } = this.#position
    const scored = validation && {
      validation: await evaluateDataset(step, validation, { target, batchSize: evaluationBatchSize, scorer: scorer(), signal }),
    }
    if (scored && signal?.aborted) return undefined
    const learningRate = schedule.at(done - 1, this.#total)
    const scores = { train: this.#trainScores(), ...scored }
    const value = monitoredValue(this.#monitor, scores)
    const improved = best === undefined || isBetter(this.#monitor, value, best.value, 0)
    const counts = best === undefined || isBetter(this.#monitor, value, best.value, earlyStopping?.minDelta ?? 0)
    schedule.memory?.observe(value)
    const seconds = (clock.now() - start) / 1000
    const event: EpochEvent = { type: 'epoch', epoch, step: done, ...scores, learningRate, seconds, best: improved }
    this.#scorer = scorer()
    this.#position = {
      ...this.#position,
      epoch: epoch + 1,
      stepOfEpoch: 0,
      lossSum: 0,
      examples: 0,
      history: [...history, event],
      best: improved ? { epoch, value } : best,
      waited: counts ? 0 : waited + 1,
    }
    return event
  }

  #outOfPatience(earlyStopping: EarlyStopping | undefined): boolean {
    return earlyStopping !== undefined && this.#position.waited >= earlyStopping.patience
  }

  async #checkpoint(kind: 'last' | 'best'): Promise<TrainEvent> {
    const { step, checkpoints, schedule } = this.#o
    this.#position = { ...this.#position, scores: this.#scorer.save(), schedule: schedule.memory?.save() }
    const tensors = kind === 'last' ? step.state : step.parameters
    await checkpoints.write(kind, encodeCheckpoint(tensors, this.#position))
    return { type: 'checkpoint', kind, epoch: this.#position.history.at(-1)?.epoch ?? 0, step: this.#position.step }
  }

  async #restore(): Promise<void> {
    const bytes = await this.#o.checkpoints.read('last')
    if (!bytes) {
      throw new QuernError('missing', 'there is no checkpoint to resume from', { hint: 'Train without --resume to start a run.' })
    }
    const position = restoreCheckpoint(bytes, this.#o.step.state, 'the last checkpoint')
    if (position.fingerprint !== this.#o.fingerprint) {
      throw new QuernError('config', 'the configuration or the data changed since the checkpoint was written', {
        hint: 'Resume with the same configuration and data, or start a new run without --resume.',
      })
    }
    this.#position = position
    if (position.scores.length > 0) this.#scorer.load(position.scores)
    if (position.schedule) this.#o.schedule.memory?.load(position.schedule)
  }

  async #restoreBest(): Promise<void> {
    const bytes = await this.#o.checkpoints.read('best')
    if (bytes) restoreCheckpoint(bytes, this.#o.step.parameters, 'the best checkpoint')
  }
}

function arraysOf(step: TrainingStep): Record<string, NumericArray> {
  return Object.fromEntries(Object.entries(step.batch).map(([name, { data }]) => [name, data as NumericArray]))
}

function firstTargets(step: TrainingStep, target: string, count: number): Tensor {
  const { dtype, shape, data } = step.batch[target]!
  const [capacity = 1, ...example] = shape
  const size = data.length / capacity
  return { dtype, shape: [count, ...example], data: (data as Int32Array).subarray(0, count * size) }
}
