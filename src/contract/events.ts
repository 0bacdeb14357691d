/**
 * Events of a training run: an async generator yields them; the terminal draws them, the server streams them, the store keeps
 * them as JSON lines, tests collect them. Plain JSON. Numbers that are not finite do not occur: such a run ends with an error.
 */

/** Means over a split: `loss`, losses of several objectives and what they report by their names, and metrics by theirs. */
export type Scores = Readonly<Record<string, number>>

export interface StartedEvent {
  readonly type: 'started'
  /** trained elements */
  readonly parameters: number
  readonly examples: { readonly train: number; readonly validation: number }
  readonly epochs: number
  readonly stepsPerEpoch: number
  readonly batchSize: number
  readonly seed: number
  /** 'cpu', 'cuda', ... */
  readonly device: string
  /** step at which an interrupted run goes on; undefined for a new one */
  readonly resumedAt?: number
}

/** One optimiser step. Loops emit every one; whoever draws or stores decides how many to keep. */
export interface StepEvent {
  readonly type: 'step'
  /** counted from 1 over the whole run */
  readonly step: number
  /** counted from 1 */
  readonly epoch: number
  /** counted from 1 within the epoch */
  readonly stepOfEpoch: number
  /** with several objectives the sum over those that took part in the step */
  readonly loss: number
  /** of the objectives that took part, where there are several, and what they report */
  readonly losses?: Scores
  /** running means of the epoch so far; what needs all answers at once, such as areaUnderRoc, of its last examples */
  readonly scores: Scores
  readonly learningRate: number
  /** norm of the whole gradient before clipping; only when it is clipped */
  readonly gradientNorm?: number
}

export interface EpochEvent {
  readonly type: 'epoch'
  readonly epoch: number
  readonly step: number
  readonly train: Scores
  /** absent without a validation split */
  readonly validation?: Scores
  readonly learningRate: number
  /** of this epoch, validation included */
  readonly seconds: number
  /** the monitored value is the best so far */
  readonly best: boolean
}

export interface CheckpointEvent {
  readonly type: 'checkpoint'
  readonly kind: 'last' | 'best'
  readonly epoch: number
  readonly step: number
}

export interface DoneEvent {
  readonly type: 'done'
  readonly reason: 'finished' | 'early-stopping' | 'interrupted'
  readonly epochs: number
  readonly steps: number
  readonly seconds: number
  /** the epoch whose parameters the run ends with */
  readonly bestEpoch: number
  /** steps a second while training, evaluation not counted */
  readonly stepsPerSecond: number
  /** share of the time of the steps that went by until their batch was there, from 0 to 1 */
  readonly dataWait: number
}

export type TrainEvent = StartedEvent | StepEvent | EpochEvent | CheckpointEvent | DoneEvent
