/**
 * The training loop as an async generator of events. It draws no progress bar and opens no file: who consumes the events decides
 * what becomes of them. Stopping early (leaving the `for await`, an abort signal) writes a checkpoint from which the run goes on
 * bit for bit; an error writes none, so that the last good one stays.
 */

import type { EpochEvent, Scores, TrainEvent } from '../contract/events.ts'
import { QuernError } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { Random } from '../core/random.ts'
import { type Augmentation, type Batches, createBatches } from '../data/batches.ts'
import type { EpochSampler } from '../data/class-sampling.ts'
import type { Dataset } from '../data/dataset.ts'
import type { Schedule } from '../optim/schedule.ts'
import {
  type CheckpointStore,
  decodeCheckpoint,
  encodeCheckpoint,
  type Position,
  restoreTensors,
} from './checkpoint.ts'
import { arraysOf, evaluateDataset, feedScorer } from './evaluate-dataset.ts'
import { createMeans, type Means } from './means.ts'
import { isBetter, type Monitor, monitoredValue, resolveMonitor } from './monitor.ts'
import { type Scorer, scoresSoFar } from './scores.ts'
import type { TrainingStep } from './step.ts'
import { averageEpoch, averagingSchedule, type WeightAveraging } from './weight-averaging.ts'

export interface EarlyStopping {
  /** epochs without improvement after which the run ends; 0 and 1 both end it at the first one, as in Keras */
  readonly patience: number
  /** least change of the monitored value that counts as improvement; default 0 */
  readonly minDelta?: number
}

export interface LoopOptions {
  readonly step: TrainingStep
  readonly train: Dataset
  readonly validation?: Dataset | undefined
  /** column that the first output is scored against; without it the scorer is fed by its parts, or not at all */
  readonly target?: string | undefined
  readonly epochs: number
  readonly batchSize: number
  /** default: as many as the step has room for */
  readonly evaluationBatchSize?: number
  readonly schedule: Schedule
  /** a new scorer at each call: one for training, one for validation of each epoch */
  readonly scorer: () => Scorer
  readonly random: Random
  /** examples of an epoch; default: each of `train` once */
  readonly sampler?: EpochSampler | undefined
  readonly augment?: Augmentation | undefined
  /** makes the batches; default `createBatches`, in the thread of the loop */
  readonly batches?: typeof createBatches | undefined
  /**
   * what decides which epoch is best, such as 'validationLoss', or 'latest': the last one is; default: validation loss, or loss
   * without validation
   */
  readonly monitor?: string | undefined
  readonly earlyStopping?: EarlyStopping | undefined
  /** the step must have room for it: its option `swa` */
  readonly swa?: WeightAveraging | undefined
  readonly checkpoints: CheckpointStore
  readonly clock: Clock
  readonly device: string
  /** hash of whatever must not change between a run and its resumption */
  readonly fingerprint: string
  readonly resume?: boolean
  /** stops after the step that is going on */
  readonly signal?: AbortSignal | undefined
}

/**
 * Trains; the parameters of `step` end as those of the best epoch, or, when the run was interrupted, as those of the last step.
 *
 * Errors: `config` for a monitor that is not computed, an unfit patience and a resumed run whose configuration changed; `input`
 * for a damaged checkpoint or one of another model; `missing` when there is none to resume from; `numeric` for a loss, a
 * parameter or a monitored value that is not finite; and whatever `checkpoints` throws. Reading a checkpoint that does not fit
 * changes no parameter.
 */
export function runLoop(options: LoopOptions): AsyncGenerator<TrainEvent, void> {
  return new Loop(options).run()
}

/** The position as the loop moves it on: in place, since a step is short. */
type Moving = { -readonly [K in keyof Position]: Position[K] }

class Loop {
  readonly #o: LoopOptions
  readonly #batches: Batches
  readonly #total: number
  readonly #monitor: Monitor
  #scorer: Scorer
  #means: Means = createMeans()
  /** milliseconds in steps, validation not counted */
  #training = 0
  /** of these, until the batch was there */
  #waiting = 0
  #position: Moving

  constructor(options: LoopOptions) {
    const { train, batchSize, random, sampler, augment, epochs, swa, schedule } = options
    this.#o = { ...options, schedule: swa ? averagingSchedule(schedule, swa, epochs) : schedule }
    this.#batches = (options.batches ?? createBatches)(train, {
      batchSize,
      into: arraysOf(options.step),
      random: random.fork('batches'),
      sampler,
      ...(augment ? { augment } : {}),
    })
    this.#total = this.#batches.steps * epochs
    this.#scorer = options.scorer()
    this.#monitor = resolveMonitor(
      options.monitor,
      this.#scorer,
      options.validation !== undefined,
      options.step.scalarNames,
    )
    checkPatience(options.earlyStopping)
    checkMode(options.schedule, this.#monitor, options.monitor)
    this.#position = {
      step: 0,
      epoch: 1,
      stepOfEpoch: 0,
      lossSum: 0,
      examples: 0,
      scores: [],
      history: [],
      best: undefined,
      reference: undefined,
      waited: 0,
      schedule: undefined,
      fingerprint: options.fingerprint,
    }
  }

  async *run(): AsyncGenerator<TrainEvent, void> {
    const { resume, clock } = this.#o
    const begun = clock.now()
    if (resume) await this.#restore()
    const from = this.#position.step
    let state: 'running' | 'failed' | 'ended' = 'running'
    try {
      yield this.#started(from)
      const reason = yield* this.#epochs()
      state = 'ended'
      if (reason !== 'interrupted') await this.#restoreBest()
      yield {
        type: 'done',
        reason,
        epochs: this.#position.history.length,
        steps: this.#position.step,
        seconds: (clock.now() - begun) / 1000,
        bestEpoch: this.#position.best?.epoch ?? 0,
        stepsPerSecond: this.#training === 0 ? 0 : (this.#position.step - from) / (this.#training / 1000),
        dataWait: this.#training === 0 ? 0 : this.#waiting / this.#training,
      }
    } catch (error) {
      state = 'failed'
      throw error
    } finally {
      this.#batches.release?.()
      // Neither ended nor failed: whoever consumes the events left in the middle.
      if (state === 'running') await this.#checkpoint('last')
    }
  }

  #started(from: number): TrainEvent {
    const { step, train, validation, epochs, batchSize, random, device, resume } = this.#o
    return {
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
  }

  /** Runs what is left of the epochs and says why it ended. */
  async *#epochs(): AsyncGenerator<TrainEvent, 'finished' | 'early-stopping' | 'interrupted'> {
    const { epochs, clock, signal } = this.#o
    const { steps } = this.#batches
    while (this.#position.epoch <= epochs && !this.#outOfPatience()) {
      const start = clock.now()
      this.#batches.start(this.#position.epoch)
      this.#training += clock.now() - start
      this.#waiting += clock.now() - start
      while (this.#position.stepOfEpoch < steps && !signal?.aborted) {
        const before = clock.now()
        const event = await this.#step()
        this.#training += clock.now() - before
        yield event
      }
      const event = this.#position.stepOfEpoch < steps ? undefined : await this.#endEpoch(start)
      if (!event) {
        yield await this.#checkpoint('last')
        return 'interrupted'
      }
      // Written before the events: whoever leaves at one of them must find a `best` that fits the `last`.
      const written = event.best ? [await this.#checkpoint('best')] : []
      written.push(await this.#checkpoint('last'))
      yield event
      yield* written
      if (signal?.aborted && this.#position.epoch <= epochs && !this.#outOfPatience()) return 'interrupted'
    }
    return this.#outOfPatience() ? 'early-stopping' : 'finished'
  }

  async #step(): Promise<TrainEvent> {
    const { step, target, schedule, clock } = this.#o
    const position = this.#position
    const asked = clock.now()
    const count = this.#batches.fill(position.stepOfEpoch)
    this.#waiting += clock.now() - asked
    const learningRate = schedule.at(position.step, this.#total)
    const { loss, gradientNorm } = await step.run(count, position.step + 1, learningRate)
    const losses = step.scalars()
    this.#means.add(losses, count)
    feedScorer(this.#scorer, step, target, count)
    position.step++
    position.stepOfEpoch++
    position.lossSum += loss * count
    position.examples += count
    const { step: done, epoch, stepOfEpoch } = position
    const scores = this.#trainScores(scoresSoFar(this.#scorer))
    return {
      ...{ type: 'step', step: done, epoch, stepOfEpoch, loss, scores, learningRate },
      ...(step.scalarNames.length > 0 && { losses }),
      ...(gradientNorm !== undefined && { gradientNorm }),
    }
  }

  #trainScores(scores = this.#scorer.values()): Scores {
    const { lossSum, examples } = this.#position
    return { loss: lossSum / examples, ...this.#means.values(this.#o.step.scalarNames), ...scores }
  }

  /** Validates and moves the position to the next epoch; undefined when the signal came before the end of the validation. */
  async #endEpoch(start: number): Promise<EpochEvent | undefined> {
    const { step, schedule, clock, earlyStopping, scorer } = this.#o
    const { epoch, step: done, best, history, reference, waited } = this.#position
    step.checkFinite(done)
    if (!(await this.#average())) return undefined
    const scores = await this.#scores()
    if (!scores) return undefined
    const learningRate = schedule.at(done - 1, this.#total)
    const value = monitoredValue(this.#monitor, scores)
    if (!Number.isFinite(value)) {
      const { split, key } = this.#monitor
      throw new QuernError(
        'numeric',
        `the ${split} ${key} became ${value} at the end of epoch ${epoch} (step ${done})`,
        {
          hint: 'Look for values in the data that are missing or extreme, or lower the learning rate.',
        },
      )
    }
    const improved = best === undefined || isBetter(this.#monitor, value, best.value, 0)
    const counts = reference === undefined || isBetter(this.#monitor, value, reference, earlyStopping?.minDelta ?? 0)
    schedule.memory?.observe(value)
    const seconds = (clock.now() - start) / 1000
    const event: EpochEvent = { type: 'epoch', epoch, step: done, ...scores, learningRate, seconds, best: improved }
    this.#scorer = scorer()
    this.#means = createMeans()
    this.#position = {
      ...this.#position,
      epoch: epoch + 1,
      stepOfEpoch: 0,
      lossSum: 0,
      examples: 0,
      history: [...history, event],
      best: improved ? { epoch, value } : best,
      reference: counts ? value : reference,
      waited: counts ? 0 : waited + 1,
    }
    return event
  }

  /** Takes the epoch into the mean of the weights; false when the signal came before its statistics were gathered. */
  async #average(): Promise<boolean> {
    const { swa } = this.#o
    if (!swa) return true
    const { epoch, averagedEpoch } = this.#position
    this.#position.averagedEpoch = epoch
    return averageEpoch(this.#o, { swa, epoch, isNew: averagedEpoch !== epoch })
  }

  async #scores(): Promise<{ train: Scores; validation?: Scores } | undefined> {
    const { step, validation, target, evaluationBatchSize, scorer, signal } = this.#o
    const train = this.#trainScores()
    if (!validation) return { train }
    const batchSize = evaluationBatchSize ?? step.evaluationBatchSize
    const scores = await evaluateDataset(step, validation, { target, batchSize, scorer: scorer(), signal })
    return scores && { train, validation: scores }
  }

  #outOfPatience(): boolean {
    const { earlyStopping } = this.#o
    return earlyStopping !== undefined && this.#position.waited >= Math.max(1, earlyStopping.patience)
  }

  async #checkpoint(kind: 'last' | 'best'): Promise<TrainEvent> {
    const { step, schedule, checkpoints } = this.#o
    step.checkFinite(this.#position.step)
    const [scores, losses] = [this.#scorer.save(), this.#means.save()]
    const position = { ...this.#position, losses, scores, schedule: schedule.memory?.save() }
    await checkpoints.write(kind, encodeCheckpoint(kind === 'last' ? step.state : step.parameters, position))
    return { type: 'checkpoint', kind, epoch: this.#position.history.at(-1)?.epoch ?? 0, step: this.#position.step }
  }

  async #restore(): Promise<void> {
    const { checkpoints, fingerprint, schedule, step } = this.#o
    const bytes = await checkpoints.read('last')
    if (!bytes) {
      throw new QuernError('missing', 'there is no checkpoint to resume from', {
        hint: 'Train without --resume to start a run.',
      })
    }
    const what = 'the last checkpoint'
    const checkpoint = decodeCheckpoint(bytes, what)
    const { position } = checkpoint
    if (position.fingerprint !== fingerprint) {
      throw new QuernError('config', 'the configuration or the data changed since the checkpoint was written', {
        hint: 'Resume with the same configuration, data, --config, --from and --adapter, or start a new run without --resume.',
      })
    }
    restoreTensors(checkpoint, step.state, what)
    this.#position = { ...position }
    this.#means = createMeans(position.losses)
    if (position.scores.length > 0) this.#scorer.load(position.scores)
    if (position.schedule) schedule.memory?.load(position.schedule)
  }

  /** The parameters of the best epoch, unless the last one was the best. */
  async #restoreBest(): Promise<void> {
    const { best, history } = this.#position
    if (!best || best.epoch === history.at(-1)?.epoch) return
    const bytes = await this.#o.checkpoints.read('best')
    const what = 'the best checkpoint'
    if (!bytes) {
      throw new QuernError('missing', `${what} of epoch ${best.epoch} is gone`, { hint: 'Start a new run.' })
    }
    restoreTensors(decodeCheckpoint(bytes, what), this.#o.step.parameters, what)
  }
}

function checkPatience(earlyStopping: EarlyStopping | undefined): void {
  if (!earlyStopping) return
  const { patience, minDelta = 0 } = earlyStopping
  if (!Number.isInteger(patience) || patience < 0) {
    throw new QuernError('config', `earlyStopping.patience must be a whole number of epochs, received ${patience}`)
  }
  if (!(minDelta >= 0 && minDelta < Infinity)) {
    throw new QuernError('config', `earlyStopping.minDelta must be at least 0, received ${minDelta}`)
  }
}

/** A schedule that watches the monitored value must wait for the direction in which that value gets better. */
function checkMode({ name, config, memory }: Schedule, { higherIsBetter }: Monitor, monitor: string | undefined): void {
  const mode = higherIsBetter ? 'max' : 'min'
  if (!memory || config.mode === undefined || config.mode === mode) return
  throw new QuernError(
    'config',
    `${name} has mode '${String(config.mode)}', but of '${monitor ?? 'the loss'}' ${higherIsBetter ? 'higher' : 'lower'} is better`,
    { hint: `Set the schedule's mode to '${mode}'.` },
  )
}
