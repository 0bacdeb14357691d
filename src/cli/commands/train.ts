import { join } from 'node:path'
import type { TrainResult } from '../../actions/train.ts'
import { QuernError } from '../../core/errors.ts'
import { type Command, type Context, configOption } from '../command.ts'
import { scoreParts } from '../render/epochs.ts'
import { isAbort } from '../render/error.ts'
import { createTrainingView } from '../render/training.ts'
import { type StopReason, stopCodes } from '../world.ts'

export const train: Command = {
  name: 'train',
  summary: 'train a model; a bundle and a report at the end',
  options: [
    { flags: '--resume [run]', summary: "go on with an interrupted run: its id, or 'latest' when left out" },
    configOption,
  ],
  examples: ['quern train', 'quern train --resume', 'quern train --json > events.jsonl'],
  streams: true,
  async run(context, _, { config, resume }) {
    const { world, terminal } = context
    const project = await context.project(config)
    const services = await context.services(project.root)
    const { trainModel } = await import('../../actions/train.ts')
    const stop = stopper(context)
    const view = createTrainingView(terminal, world.now)
    const onRead = terminal.isAnimated ? view.reading : undefined
    let run: string | undefined
    try {
      const events = trainModel(services, project, {
        resume: resume === true ? 'latest' : typeof resume === 'string' ? resume : undefined,
        signal: stop.signal,
        ...(onRead ? { onProgress: onRead } : {}),
      })
      let next = await events.next()
      while (!next.done) {
        if (next.value.type === 'run') run = next.value.id
        terminal.record(next.value)
        view.show(next.value)
        next = await events.next()
      }
      terminal.record({ type: 'result', ...next.value })
      return conclude(context, next.value, project.root, stop.reason())
    } catch (error) {
      const reason = stop.reason()
      if (reason === undefined || !isAbort(error)) throw run === undefined ? error : withResumption(error, run)
      terminal.record({ type: 'error', kind: 'interrupted', message: 'interrupted' })
      terminal.note(
        run === undefined
          ? 'stopped before training began: nothing to resume'
          : `stopped: go on with ${resumeLine(run)}`,
      )
      return stopCodes[reason]
    } finally {
      stop.release()
    }
  },
}

const resumeLine = (run: string): string => `quern train --resume ${run}`

/** A disk that failed is no reason to begin anew: the last checkpoint is whole. */
function withResumption(error: unknown, run: string): unknown {
  if (!(error instanceof QuernError) || error.kind !== 'io') return error
  const hint = [error.hint, `Then go on: ${resumeLine(run)}`].filter(Boolean).join(' ')
  return new QuernError(error.kind, error.message, { hint, cause: error })
}

interface Stopper {
  readonly signal: AbortSignal
  reason(): StopReason | undefined
  release(): void
}

/** The first stop finishes the step and saves; the second ends the process at once. */
function stopper({ world, terminal }: Context): Stopper {
  const controller = new AbortController()
  let first: StopReason | undefined
  const release = world.onStop((reason) => {
    if (first !== undefined) return world.exit(stopCodes[reason])
    first = reason
    controller.abort()
    if (reason === 'SIGINT')
      terminal.note('stopping after this step and saving a checkpoint; Ctrl-C again stops at once')
  })
  return { signal: controller.signal, reason: () => first, release }
}

/** Says where the results are, or how to go on. */
function conclude({ terminal }: Context, result: TrainResult, root: string, reason: StopReason | undefined): number {
  const { run, state, bundle, scores, report } = result
  const { bold } = terminal.colors
  if (state === 'interrupted') {
    terminal.print('', 'a checkpoint is saved; go on with:', `  ${bold(resumeLine(run))}`)
    return stopCodes[reason ?? 'SIGINT']
  }
  const lines = Object.entries(scores).map(([split, values]) => {
    const { accuracy, crossEntropy, ...others } = values
    const shown =
      accuracy === undefined ? others : { accuracy, ...(crossEntropy === undefined ? {} : { loss: crossEntropy }) }
    return `${split.padEnd(10)} ${scoreParts(shown).slice(0, 3).join('  ')}`
  })
  terminal.print('', ...lines.map(bold), '')
  if (bundle !== undefined) terminal.print(`model   ${join(root, bundle)}`)
  if (report !== undefined) terminal.print(`report  ${join(root, report)}`)
  terminal.print('', 'next: quern predict FILE, quern evaluate, quern export, quern serve')
  return 0
}
