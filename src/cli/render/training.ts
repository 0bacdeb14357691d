/**
 * Training as a terminal shows it: a live line for steps, a line of its own for each epoch. Without a terminal nothing is drawn
 * over, and a long epoch says a line now and then.
 */
import type { BaseEvent } from '../../actions/start-from.ts'
import type { TrainProgress } from '../../actions/train.ts'
import type { EpochEvent, StartedEvent, StepEvent } from '../../contract/events.ts'
import type { Terminal } from '../terminal.ts'
import { cleaningLines } from './cleaning.ts'
import { scoreParts } from './epochs.ts'
import { formatCount, formatDuration, formatRate } from './numbers.ts'
import { progressLine } from './progress-line.ts'
import { harmless } from './text-width.ts'

/** Milliseconds between lines about steps where no line is drawn over. */
const silence = 30_000
/** The rate is that of the last so many milliseconds. */
const window = 5_000

export interface TrainingView {
  show(event: TrainProgress): void
  reading(done: number, total: number): void
}

export function createTrainingView(terminal: Terminal, now: () => number): TrainingView {
  const { bold, dim, green } = terminal.colors
  let started: StartedEvent | undefined
  let spoken = now()
  let rate = createRate(now)

  function step(event: StepEvent): void {
    const { epochs = 0, stepsPerEpoch = 0 } = started ?? {}
    rate.add(event.step)
    const progress = (): Parameters<typeof progressLine>[0] => ({
      title: `epoch ${event.epoch}/${epochs}`,
      done: event.stepOfEpoch,
      total: stepsPerEpoch,
      parts: stepParts(event, rate.perSecond(), epochs * stepsPerEpoch - event.step),
    })
    if (terminal.isAnimated) terminal.live((columns) => progressLine(progress(), columns))
    else if (now() - spoken >= silence) {
      spoken = now()
      terminal.print(progressLine(progress(), 200).replace(/ \[[=> ]*\]/, ' '))
    }
  }

  return {
    reading: (done, total) =>
      terminal.live((columns) => progressLine({ title: 'reading pictures', done, total, parts: [] }, columns)),
    show(event) {
      switch (event.type) {
        case 'data': {
          const counts = Object.entries(event.examples).map(([split, count]) => `${formatCount(count)} ${split}`)
          const classes = event.labels.length > 0 ? `; ${event.labels.length} classes` : ''
          terminal.print(`data   ${counts.join(', ')}${classes}`)
          const { broken, warnings, cleaned } = event.report
          if (broken.length > 0)
            terminal.warn(`left out, as broken: ${formatCount(broken.length)} of the data; quern inspect lists them`)
          for (const line of cleaningLines(cleaned)) terminal.print(line)
          for (const warning of warnings) terminal.warn(harmless(warning))
          return
        }
        case 'base':
          for (const line of baseLines(event)) terminal.print(line)
          return
        case 'run':
          return terminal.print(`run    ${event.id}`)
        case 'started':
          started = event
          rate = createRate(now)
          spoken = now()
          return terminal.print(`model  ${startText(event)}`)
        case 'step':
          return step(event)
        case 'epoch':
          spoken = now()
          rate = createRate(now)
          return terminal.print(epochLine(event, started?.epochs ?? event.epoch, { bold, dim, green }))
        case 'done':
          return terminal.print(
            `${event.reason === 'interrupted' ? 'stopped' : 'trained'} ${formatCount(event.steps)} steps in ${formatDuration(event.seconds)}, ` +
              `${formatRate(event.stepsPerSecond)} steps/s${waitText(event.dataWait)}${doneText(event.reason, event.bestEpoch)}`,
          )
        case 'checkpoint':
          return
      }
    },
  }
}

/** What training starts from, and what of it is trained. */
function baseLines({ name, parameters, trained, adapter, output, difference, features }: BaseEvent): string[] {
  const same = difference === 0 ? 'the same answers' : `the same answers within ${difference.toExponential(0)}`
  const lines = [
    `from   ${name}: ${formatCount(trained)} of ${formatCount(parameters)} parameters trained; head behind '${output}'; ${same}`,
  ]
  if (adapter) {
    const { kind, weights } = adapter
    const beside = weights === 1 ? 'one frozen weight' : `${formatCount(weights)} frozen weights`
    lines.push(
      `       ${kind === 'lora' ? 'LoRA' : '(IA)3'}: ${formatCount(adapter.parameters)} parameters beside ${beside}`,
    )
  }
  if (!features) return lines
  const { bytes, found, seconds } = features
  const where = found ? 'found' : `computed in ${formatDuration(seconds)}`
  return [...lines, `       features of the frozen part: ${(bytes / 1e6).toFixed(1)} MB, ${where}`]
}

function startText({ parameters, device, epochs, stepsPerEpoch, batchSize, resumedAt }: StartedEvent): string {
  const resumed = resumedAt === undefined ? '' : `, going on after step ${formatCount(resumedAt)}`
  return `${formatCount(parameters)} parameters on ${device}; ${epochs} epochs of ${formatCount(stepsPerEpoch)} steps of ${batchSize}${resumed}`
}

/** Said always: a trainer that waits is found by it. */
const waitText = (share: number): string => `, ${(100 * share).toFixed(1)} % of it waiting for data`

function doneText(reason: string, bestEpoch: number): string {
  if (reason === 'interrupted') return ''
  const early = reason === 'early-stopping' ? '; stopped early, as there was no improvement' : ''
  return `; the best epoch was ${bestEpoch}${early}`
}

/** Speed, time left, loss and scores; the most important first, since a narrow terminal shows only those. */
function stepParts({ loss, scores }: StepEvent, perSecond: number | undefined, stepsLeft: number): string[] {
  const { loss: mean = loss, ...others } = scores
  const speed = perSecond === undefined ? [] : [`${formatDuration(stepsLeft / perSecond)} left`]
  const steps = perSecond === undefined ? [] : [`${formatRate(perSecond)} steps/s`]
  return [...speed, ...scoreParts({ loss: mean, ...others }), ...steps]
}

interface Paint {
  bold(text: string): string
  dim(text: string): string
  green(text: string): string
}

function epochLine(
  { epoch, train, validation, seconds, best }: EpochEvent,
  epochs: number,
  { bold, dim, green }: Paint,
): string {
  const number = String(epoch).padStart(String(epochs).length)
  const parts = [bold(`epoch ${number}/${epochs}`), formatDuration(seconds), ...scoreParts(train)]
  if (validation) parts.push(dim('|'), ...scoreParts(validation, 'validation '))
  if (best) parts.push(green('best'))
  return parts.join('  ')
}

/** Steps a second over the last seconds; undefined until there is something to measure. */
function createRate(now: () => number): { add(step: number): void; perSecond(): number | undefined } {
  const seen: { time: number; step: number }[] = []
  return {
    add(step) {
      const time = now()
      seen.push({ time, step })
      while (seen.length > 2 && time - seen[0]!.time > window) seen.shift()
    },
    perSecond() {
      const [first, last] = [seen[0], seen.at(-1)]
      if (!first || !last || last.time - first.time < 200) return undefined
      return (1000 * (last.step - first.step)) / (last.time - first.time)
    },
  }
}
