/**
 * A table, trained once for each fold: each row is once in the test of a model that never saw it. Where there are several candidates, the settings
 * are chosen anew for each fold, by folds inside of its training rows (nested cross-validation; Varma and Simon 2006): no test row has a say in it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolveProject } from '../src/actions/project.ts'
import type { Services } from '../src/actions/services.ts'
import { trainAndScore } from '../src/actions/train-baselines.ts'
import { createServices } from '../src/cli/services.ts'
import { createRandom } from '../src/core/random.ts'
import { openTable } from '../src/data/sources/open-table.ts'
import { joinTables, type Table } from '../src/data/table/table.ts'
import type { TableSchema } from '../src/data/table/table-source.ts'
import { prepareTable } from '../src/data/table-data.ts'
import { splitTable } from '../src/data/table-split.ts'
import { columnSettings, type TabularConfig } from '../src/tasks/tabular-config.ts'
import type { TaskData } from '../src/tasks/task.ts'
import { peerProgram } from './peers.ts'
import { runProcess } from './processes.ts'
import { requirePythonPeer } from './python-peers.ts'
import type { BenchContext, Figure } from './record.ts'

/** Sections `model` and `train`, and more of `data`. */
export interface Candidate {
  readonly model: unknown
  readonly train: Readonly<Record<string, unknown>>
  readonly columns?: Readonly<Record<string, unknown>>
}

export interface CrossValidated {
  readonly task: 'tabular-classification' | 'tabular-regression'
  /** a CSV file in the folder of the benchmark, whose last column is the target */
  readonly file: string
  /** that is averaged over the folds */
  readonly metric: 'areaUnderRoc' | 'rootMeanSquaredError'
  /** of the network's mean */
  readonly floor?: number
  /** model of scikit-learn whose score is the floor */
  readonly against?: string
  /** settings by name; of several the best is chosen inside of the training rows */
  readonly candidates: Readonly<Record<string, Candidate>>
}

const round = (value: number): number => Number(value.toPrecision(6))
const mean = (values: readonly number[]): number => round(values.reduce((sum, value) => sum + value / values.length, 0))

interface Rows {
  readonly services: Services
  readonly table: Table
  readonly schema: TableSchema
  readonly target: string
  /** of each row, where it is one */
  readonly classes: Int32Array | undefined
}

async function readRows(context: BenchContext, { file, task }: CrossValidated): Promise<Rows> {
  const root = context.folder
  const [head = '', ...lines] = readFileSync(`${root}/${file}`, 'utf8').trim().split('\n')
  const last = (line: string): string => line.slice(line.lastIndexOf(',') + 1)
  const texts = lines.map(last)
  const names = [...new Set(texts)].sort()
  const source = await openTable(file, { root })
  try {
    const schema = await source.schema()
    const chunks: Table[] = []
    for await (const chunk of source.read()) chunks.push(chunk)
    return {
      services: createServices({ root, cwd: root, log: { info: () => undefined, warn: () => undefined } }),
      table: joinTables(chunks),
      schema,
      target: last(head),
      classes: task === 'tabular-classification' ? Int32Array.from(texts, (text) => names.indexOf(text)) : undefined,
    }
  } finally {
    await source.release()
  }
}

/** Test rows of a fold of some rows. */
function foldOf({ classes }: Rows, of: Int32Array, split: { folds: number; fold: number; repeat: number }): Int32Array {
  const rows = {
    count: of.length,
    classes: classes && Int32Array.from(of, (row) => classes[row]!),
    labels: [],
    key: () => undefined,
    number: () => undefined,
    nameOf: (row: number) => `row ${of[row]! + 1}`,
  }
  const parts = splitTable(rows, { by: 'k-fold', ...split, stratified: true, validation: 0 }, createRandom(0))
  return parts.test!.map((i) => of[i]!)
}

const without = (of: Int32Array, rows: Int32Array): Int32Array => {
  const gone = new Set(rows)
  return of.filter((row) => !gone.has(row))
}

/** Trains a candidate on some rows and scores it, and its baselines, on others. */
async function scoreOn(
  of: CrossValidated,
  { services, table, schema, target }: Rows,
  {
    candidate,
    train,
    test,
    baselines,
  }: { candidate: Candidate; train: Int32Array; test: Int32Array; baselines: boolean },
): Promise<{ own: number; baselines: Readonly<Record<string, number>> }> {
  const { columns = {}, ...sections } = candidate
  const data = { source: of.file, target, columns }
  const project = resolveProject({ task: of.task, threads: 1, data, ...sections }, { root: '.', what: 'the benchmark' })
  const config = project.config as TabularConfig
  const { wishes, ignore } = columnSettings(config.data)
  const seen = { ...schema, columns: schema.columns.filter(({ name }) => !ignore.includes(name)) }
  const prepared = await prepareTable(table, seen, {
    target,
    answer: of.task === 'tabular-classification' ? 'class' : 'number',
    wishes,
    split: { train, test },
    random: createRandom(0),
    nameOfRow: (row) => `row ${row + 1}`,
  })
  const all = { ...prepared, report: undefined, profile: undefined } as unknown as TaskData
  const scoreOf = async (trained: Parameters<typeof trainAndScore>[3]): Promise<number> =>
    (await trainAndScore(services, project, all, trained)).test![of.metric]!
  const found: Record<string, number> = {}
  for (const baseline of baselines ? project.task.baselines!(config, all) : []) {
    found[baseline.name] = await scoreOf(baseline)
  }
  return { own: await scoreOf({ network: project.task.network(config, all), train: {} }), baselines: found }
}

/** Name of the candidate that is best on folds inside of the training rows. */
async function choose(context: BenchContext, of: CrossValidated, rows: Rows, training: Int32Array): Promise<string> {
  const names = Object.keys(of.candidates)
  if (names.length === 1) return names[0]!
  const folds = context.number('inner')
  const sign = of.metric === 'areaUnderRoc' ? 1 : -1
  const means: number[] = []
  for (const name of names) {
    const scores: number[] = []
    for (let fold = 0; fold < folds; fold++) {
      const test = foldOf(rows, training, { folds, fold, repeat: 0 })
      const train = without(training, test)
      const candidate = of.candidates[name]!
      scores.push((await scoreOn(of, rows, { candidate, train, test, baselines: false })).own)
    }
    means.push(mean(scores))
  }
  const best = means.reduce((at, value, i) => (sign * value > sign * means[at]! ? i : at), 0)
  context.progress(`  ${names.map((name, i) => `${name} ${means[i]!.toFixed(4)}`).join(', ')}: ${names[best]}`)
  return names[best]!
}

/** Means of a metric over folds and repeats: of the network, of each baseline, and of scikit-learn's models on the same folds. */
export async function crossValidate(context: BenchContext, of: CrossValidated): Promise<Figure> {
  const { metric, floor, against } = of
  const [folds, repeats] = [context.number('folds'), context.number('repeats')]
  const rows = await readRows(context, of)
  const all = Int32Array.from({ length: rows.table.rows }, (_, i) => i)
  const own: number[] = []
  const chosen: Record<string, number> = {}
  const beside: Record<string, number[]> = {}
  const tests: number[][] = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let fold = 0; fold < folds; fold++) {
      const test = foldOf(rows, all, { folds, fold, repeat })
      const train = without(all, test)
      const name = await choose(context, of, rows, train)
      const candidate = of.candidates[name]!
      const scored = await scoreOn(of, rows, { candidate, train, test, baselines: true })
      own.push(scored.own)
      tests.push([...test])
      chosen[name] = (chosen[name] ?? 0) + 1
      for (const [baseline, score] of Object.entries(scored.baselines)) {
        beside[baseline] ??= []
        beside[baseline].push(score)
      }
      context.progress(`fold ${own.length} of ${folds * repeats}: ${scored.own.toFixed(4)}`)
    }
  }
  const { models, version } = await scikitLearn(context, of, tests)
  const demanded = floor ?? (against === undefined ? undefined : models[against]!)
  const baselines = Object.fromEntries(Object.entries(beside).map(([name, values]) => [name, mean(values)]))
  return {
    metric: `mean ${metric} of ${own.length} folds`,
    value: mean(own),
    better: metric === 'areaUnderRoc' ? 'higher' : 'lower',
    ...(demanded === undefined ? {} : { floor: demanded }),
    folds: own.map(round),
    ...(Object.keys(of.candidates).length > 1 ? { chosen } : {}),
    baselines,
    peers: models,
    peerVersion: version,
    wins: winner({ ours: mean(own), ...baselines, ...models }, metric),
  }
}

/** Who is best of all that were scored on these folds. */
function winner(scores: Readonly<Record<string, number>>, metric: CrossValidated['metric']): string {
  const sign = metric === 'areaUnderRoc' ? 1 : -1
  return Object.entries(scores).reduce((best, each) => (sign * each[1] > sign * best[1] ? each : best))[0]
}

async function scikitLearn(context: BenchContext, { task, file, metric }: CrossValidated, tests: number[][]) {
  const { python, version } = await requirePythonPeer('scikit-learn', context.progress)
  writeFileSync(`${context.folder}/folds.json`, JSON.stringify({ task, metric, tests }))
  const words = [python, peerProgram('sklearn_folds.py'), `${context.folder}/${file}`, `${context.folder}/folds.json`]
  const { stdout } = await runProcess(words, { env: { OMP_NUM_THREADS: '2' } })
  const models = JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, number[]>
  return { version, models: Object.fromEntries(Object.entries(models).map(([name, scores]) => [name, mean(scores)])) }
}
