import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { NamedPredictInput, PredictedFile } from '../../actions/predict.ts'
import type { Answer } from '../../bundle/task-pipeline.ts'
import { messageOf, QuernError } from '../../core/errors.ts'
import { tableFormat } from '../../data/sources/table-file.ts'
import { type Command, modelOption, wholeNumber } from '../command.ts'
import type { NamedInput } from '../read-input.ts'
import { formatScore } from '../render/numbers.ts'
import { harmless, pad, textWidth } from '../render/text-width.ts'
import type { Colors } from '../terminal.ts'

/** Wider names are not waited for: the answers stand behind them. */
const widestName = 50
/** Answers below it are not shown beside the best one in a list of many files. */
const leastShown = 0.01

export const predict: Command = {
  name: 'predict',
  summary: 'answers for pictures (files, folders, or - for stdin) or for the rows of tables',
  arguments: [
    ['<files...>', 'pictures, folders of pictures, - to read one from stdin; or .csv, .json, .jsonl, .parquet files'],
  ],
  options: [modelOption, { flags: '--top <n>', summary: 'answers for each picture or row', default: '5' }],
  examples: [
    'quern predict cat.png',
    'quern predict rows.csv --json',
    'quern predict photos/ --top 1 --json',
    'curl -s URL | quern predict -',
  ],
  async run({ world, terminal, services }, paths, { model, top }) {
    const topK = wholeNumber(top, '--top', 1, 1000)
    if (paths.includes('-') && world.stdin.isTTY) {
      throw new QuernError('config', "'-' reads a picture from stdin, but nothing is piped in")
    }
    const { expandInputs, readInput, readStdin } = await import('../read-input.ts')
    const inputs = await expandInputs(paths, world.cwd)
    const unread: PredictedFile[] = []
    const named = readEach(inputs, { readInput, readStdin: () => readStdin(world.stdin) }, unread)
    const { predictFiles } = await import('../../actions/predict.ts')
    const width = inputs.reduce((most, { name }) => (most < widestName ? Math.max(most, textWidth(name)) : most), 0)
    const tables = inputs.map(({ path }) => path !== undefined && tableFormat(path) !== undefined)
    const isOne = inputs.length === 1 && !tables[0]
    const all: PredictedFile[] = []
    let unseen: ReadonlyMap<string, number> = new Map()
    const onUnseen = (counts: typeof unseen): void => {
      unseen = counts
    }
    const show = (result: PredictedFile): void => {
      all.push(result)
      terminal.print(...(isOne ? ranking(result) : [line(result, Math.min(widestName, width), terminal.colors)]))
    }
    const readCell = (path: string, folder: string) => readFile(resolve(folder, path))
    const of = { model: String(model), inputs: named, topK, onUnseen, readFile: readCell }
    for await (const result of predictFiles(await services(), of)) show(result)
    for (const [column, count] of unseen) {
      const values = count === 1 ? '1 value' : `${count} values`
      terminal.warn(harmless(`column '${column}': ${values} that training has not seen, taken as unknown`))
    }
    for (const result of unread) show(result)
    if (all.length === 0) terminal.warn(harmless(`there is nothing to answer for in ${paths.join(', ')}`))
    terminal.document(all)
    const failed = all.filter(({ error }) => error !== undefined)
    if (failed.length === 0) return 0
    if (terminal.json || isOne) for (const { input, error } of failed) terminal.warn(harmless(`${input}: ${error}`))
    if (!isOne) terminal.warn(`${failed.length} of ${all.length} inputs could not be used`)
    return 1
  },
}

interface Readers {
  readInput(path: string): Promise<Uint8Array>
  readStdin(): Promise<Uint8Array>
}

/** The bytes of each input; what cannot be read is noted in `unread`, and the others go on. */
async function* readEach(
  inputs: readonly NamedInput[],
  readers: Readers,
  unread: PredictedFile[],
): AsyncGenerator<NamedPredictInput> {
  for (const { name, path } of inputs) {
    if (path !== undefined && tableFormat(path) !== undefined) {
      const { readTableRows } = await import('../../data/sources/table-rows.ts')
      for await (const { name, row } of readTableRows(path)) yield { name, input: row, folder: dirname(path) }
      continue
    }
    let bytes: Uint8Array
    try {
      bytes = await (path === undefined ? readers.readStdin() : readers.readInput(path))
    } catch (error) {
      if (inputs.length === 1) throw error
      unread.push({ input: name, error: messageOf(error) })
      continue
    }
    yield { name, input: bytes }
  }
}

/** All answers for one picture, a line each. */
function ranking({ predictions = [] }: PredictedFile): string[] {
  const labels = predictions.map((answer) => harmless(wordOf(answer, targetOf(answer))))
  const width = Math.max(0, ...labels.map(textWidth))
  return predictions.map((answer, i) => `${pad(labels[i]!, width)}  ${formatScore(numberOf(answer))}`)
}

/** Named in front of a label where there are several targets. */
const targetOf = (answer: Answer): string =>
  'label' in answer && answer.target !== undefined ? `${answer.target}: ` : ''
const wordOf = (answer: Answer, before = ''): string => ('label' in answer ? `${before}${answer.label}` : answer.target)
const numberOf = (answer: Answer): number => ('label' in answer ? answer.score : answer.value)

/** A picture or a row, its best answer, and those that come near, in one line; of several targets one after the other. */
function line({ input, predictions = [], error }: PredictedFile, width: number, colors: Colors): string {
  const name = pad(harmless(input), width)
  if (predictions.length === 0) return `${name}  ${colors.red(harmless(error ?? 'no answer'))}`
  const targets = [...new Set(predictions.map(({ target }) => target))]
  const isClasses = predictions.some((answer) => 'label' in answer)
  // Several numbers of one output stand as they always did: the first, and the others behind it.
  const groups = isClasses
    ? targets.map((target) => predictions.filter((answer) => answer.target === target))
    : [predictions]
  return [name, ...groups.map((group) => bestOf(group, colors))].join('  ')
}

function bestOf([best, ...others]: readonly Answer[], { dim, bold }: Colors): string {
  const near = others
    .filter((answer) => numberOf(answer) >= leastShown)
    .map((answer) => `${harmless(wordOf(answer))} ${formatScore(numberOf(answer))}`)
  return `${harmless(targetOf(best!))}${bold(harmless(wordOf(best!)))}  ${formatScore(numberOf(best!))}${near.length > 0 ? dim(`  (${near.join(', ')})`) : ''}`
}
