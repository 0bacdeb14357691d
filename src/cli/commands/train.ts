import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { FromChoice } from '../../actions/start-from.ts'
import type { TrainResult } from '../../actions/train.ts'
import { adapterMethods } from '../../contract/adapter-methods.ts'
import { QuernError } from '../../core/errors.ts'
import { type Command, type Context, configOption, type OptionValues, wholeNumber } from '../command.ts'
import { isAbort } from '../render/error.ts'
import { foldLine, foldSummary } from '../render/folds.ts'
import { rateLines } from '../render/learning-rate.ts'
import { progressLine } from '../render/progress-line.ts'
import { scoreLine } from '../render/score-line.ts'
import { createTrainingView } from '../render/training.ts'
import { type StopReason, stopCodes } from '../world.ts'

export const train: Command = {
  name: 'train',
  summary: 'train a model; a bundle and a report at the end',
  options: [
    { flags: '--resume [run]', summary: "go on with an interrupted run: its id, or 'latest' when left out" },
    {
      flags: '--find-lr',
      summary: 'train nothing: raise the learning rate step by step, plot the loss and suggest a rate',
    },
    {
      flags: '--from <model>',
      summary:
        "start from a model: an ONNX file, a bundle, a run, a Hugging Face style folder; settings: 'from' in the config",
    },
    {
      flags: '--adapter <method>',
      summary: "with --from: train an adapter beside the frozen model; settings: 'from.adapter' in the config",
      choices: adapterMethods,
    },
    {
      flags: '--folds <n>',
      summary: 'keep no model: train on all of so many parts of the data but one, and score that, in turn',
    },
    { flags: '--repeats <n>', summary: 'with --folds: draw the parts anew so many times (default: 1)' },
    configOption,
  ],
  examples: [
    'quern train',
    'quern train --from backbone.onnx',
    'quern train --from backbone.onnx --adapter lora',
    'quern train --resume',
    'quern train --find-lr',
    'quern train --folds 5 --repeats 2',
    'quern train --json > events.jsonl',
  ],
  streams: true,
  async run(context, _, { config, resume, findLr, from, adapter, folds, repeats }) {
    if (folds !== undefined) {
      const parts = {
        folds: wholeNumber(folds, '--folds', 2, 1000),
        repeats: wholeNumber(repeats ?? '1', '--repeats', 1, 1000),
      }
      return validate(context, { config, resume, findLr, from, adapter }, parts)
    }
    if (repeats !== undefined) {
      throw new QuernError('config', '--repeats draws the parts of --folds anew, and there are no parts', {
        hint: 'Add --folds 5, or leave out --repeats.',
      })
    }
    if (findLr === true) return findRate(context, { config, resume, from, adapter })
    const { world, terminal } = context
    const project = await context.project(config)
    const services = await context.services(project.root)
    const { trainModel } = await import('../../actions/train.ts')
    const stop = stopper(context)
    const view = createTrainingView(terminal, world.now)
    const onRead = terminal.isAnimated ? view.reading : undefined
    let run: string | undefined
    // A run that failed before its first checkpoint has nothing to go on from.
    let isKept = resume !== undefined
    const goOn = (id: string): string => resumeLine(id, { config, from, adapter })
    try {
      const events = trainModel(services, project, {
        resume: resume === true ? 'latest' : typeof resume === 'string' ? resume : undefined,
        signal: stop.signal,
        ...choiceOf(world.cwd, from, adapter),
        ...(onRead ? { onProgress: onRead } : {}),
      })
      let next = await events.next()
      while (!next.done) {
        if (next.value.type === 'run') run = next.value.id
        if (next.value.type === 'checkpoint' && next.value.kind === 'last') isKept = true
        terminal.record(next.value)
        view.show(next.value)
        next = await events.next()
      }
      terminal.record({ type: 'result', ...next.value })
      const asked = Object.keys(project.task.scorer(project.config).values())
      return conclude(context, next.value, { root: project.root, asked, goOn }, stop.reason())
    } catch (error) {
      const reason = stop.reason()
      if (reason === undefined || !isAbort(error)) {
        throw run !== undefined && isKept ? withResumption(error, goOn(run)) : error
      }
      terminal.record({ type: 'error', kind: 'interrupted', message: 'interrupted' })
      terminal.note(
        run === undefined ? 'stopped before training began: nothing to resume' : `stopped: go on with ${goOn(run)}`,
      )
      return stopCodes[reason]
    } finally {
      stop.release()
    }
  },
}

/** Trains on all parts but one, each in turn. */
async function validate(
  context: Context,
  { config, from, adapter, ...others }: OptionValues,
  { folds, repeats }: { readonly folds: number; readonly repeats: number },
): Promise<number> {
  const { terminal, world } = context
  const other = Object.entries(others).find(([, value]) => value !== undefined && value !== false)
  if (other) throw new QuernError('config', `--folds trains anew: it cannot be combined with the option '${other[0]}'`)
  const project = await context.project(config)
  const services = await context.services(project.root)
  const { crossValidate } = await import('../../actions/cross-validate.ts')
  const stop = stopper(context, 'stopping; Ctrl-C again stops at once')
  try {
    const parts = crossValidate(services, project, {
      ...{ folds, repeats, signal: stop.signal },
      ...choiceOf(world.cwd, from, adapter),
    })
    let next = await parts.next()
    while (!next.done) {
      terminal.record(next.value)
      terminal.print(foldLine(next.value, folds, repeats))
      next = await parts.next()
    }
    terminal.record({ type: 'result', ...next.value })
    terminal.print('', ...foldSummary(next.value, terminal), '', `numbers  ${join(project.root, next.value.file)}`)
    return 0
  } catch (error) {
    const reason = stop.reason()
    if (reason === undefined || !isAbort(error)) throw error
    return stopCodes[reason]
  } finally {
    stop.release()
  }
}

/** The rate test, which keeps no run and changes no model. */
async function findRate(
  context: Context,
  { config, resume, from, adapter }: OptionValues,
): Promise<number | undefined> {
  const { terminal, world } = context
  if (resume !== undefined) {
    throw new QuernError('config', '--find-lr and --resume cannot be combined', {
      hint: 'The test starts from a new model: leave out --resume.',
    })
  }
  const project = await context.project(config)
  const services = await context.services(project.root)
  const { findProjectRate } = await import('../../actions/find-learning-rate.ts')
  const stop = stopper(context, 'stopping after this step; Ctrl-C again stops at once')
  const live = (title: string) => (done: number, total: number) =>
    terminal.live((columns) => progressLine({ title, done, total, parts: [] }, columns))
  try {
    const found = await findProjectRate(services, project, {
      signal: stop.signal,
      ...choiceOf(world.cwd, from, adapter),
      onRead: live('reading pictures'),
      onProgress: live('raising the learning rate'),
    })
    terminal.record({ type: 'learning-rate', ...found })
    terminal.print(...rateLines(found, terminal))
    if (found.plot !== undefined) terminal.print('', `plot    ${join(project.root, found.plot)}`)
    const reason = stop.reason()
    return reason === undefined ? 0 : stopCodes[reason]
  } finally {
    stop.release()
  }
}

/** What was chosen on the command line in the place of the configuration's `from`. */
function choiceOf(cwd: string, from: OptionValues[string], adapter: OptionValues[string]): FromChoice {
  return {
    ...(typeof from === 'string' ? { from: placeOf(cwd, from) } : {}),
    ...(typeof adapter === 'string' ? { adapter } : {}),
  }
}

/** A path starts where the user is; what is no path there is the name of a run. */
const placeOf = (cwd: string, from: string): string => {
  const path = resolve(cwd, from)
  return existsSync(path) || /[\\/]|\.(onnx|zip)$/.test(from) ? path : from
}

/** What goes on with a run: it must be told what this one was, since its settings may stand nowhere else. */
function resumeLine(run: string, chosen: OptionValues): string {
  const options = ['config', 'from', 'adapter'].flatMap((name) => {
    const value = chosen[name]
    return typeof value === 'string' ? [`--${name} ${/^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value)}`] : []
  })
  return ['quern train --resume', run, ...options].join(' ')
}

/** A disk that failed is no reason to begin anew: the last checkpoint is whole. */
function withResumption(error: unknown, line: string): unknown {
  if (!(error instanceof QuernError) || error.kind !== 'io') return error
  const hint = [error.hint, `Then go on: ${line}`].filter(Boolean).join(' ')
  return new QuernError(error.kind, error.message, { hint, cause: error })
}

interface Stopper {
  readonly signal: AbortSignal
  reason(): StopReason | undefined
  release(): void
}

/** The first stop finishes the step and saves; the second ends the process at once. */
function stopper(
  { world, terminal }: Context,
  note = 'stopping after this step and saving a checkpoint; Ctrl-C again stops at once',
): Stopper {
  const controller = new AbortController()
  let first: StopReason | undefined
  const release = world.onStop((reason) => {
    if (first !== undefined) return world.die(reason)
    first = reason
    controller.abort()
    if (reason === 'SIGINT') terminal.note(note)
  })
  return { signal: controller.signal, reason: () => first, release }
}

/** Says where the results are, or how to go on. */
function conclude(
  { terminal }: Context,
  result: TrainResult,
  { root, asked, goOn }: { readonly root: string; readonly asked: readonly string[]; goOn(run: string): string },
  reason: StopReason | undefined,
): number {
  const { run, state, bundle, scores, baselines = {}, adapter, report } = result
  const { bold, dim } = terminal.colors
  if (state === 'interrupted') {
    terminal.print('', 'a checkpoint is saved; go on with:', `  ${bold(goOn(run))}`)
    return stopCodes[reason ?? 'SIGINT']
  }
  const simple = Object.entries(baselines)
  const width = Math.max(10, ...simple.map(([name]) => name.length + 2))
  const lines = Object.entries(scores).flatMap(([split, values]) => [
    bold(scoreLine(split, values, asked, width)),
    ...simple.map(([name, of]) => dim(scoreLine(`  ${name}`, of[split] ?? {}, asked, width))),
  ])
  terminal.print('', ...lines, '')
  if (bundle !== undefined) terminal.print(`model   ${join(root, bundle)}`)
  if (adapter) {
    const where =
      adapter.merged === true ? "merged in the model's weights" : `beside the model's weights: ${adapter.merged}`
    terminal.print(`adapter ${join(root, adapter.folder)} (${where})`)
  }
  if (report !== undefined) terminal.print(`report  ${join(root, report)}`)
  terminal.print('', 'next: quern predict FILE, quern evaluate, quern export, quern serve')
  return 0
}
