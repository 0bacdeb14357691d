/** The data of a task on a table: read, checked, divided, encoded; or taken from the cache, where it was encoded before. */
import { type Manifest, type TableColumn, type TablePreprocessing, targetsOf } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'
import { cleanTable, rulesToKeep, textColumns } from '../data/clean/clean-table.ts'
import { encodedSize } from '../data/encoded-size.ts'
import { openCellFiles } from '../data/sources/cell-files.ts'
import { type CleanedSource, cleanedSource, worksByChunks } from '../data/sources/cleaned-source.ts'
import { openOrigin } from '../data/sources/duckdb-table.ts'
import { originOf } from '../data/sources/open-table.ts'
import type { TableOrigin } from '../data/sources/table-origin.ts'
import { joinTables, pickRows, type Table, tableColumn } from '../data/table/table.ts'
import type { TableSchema, TableSource } from '../data/table/table-source.ts'
import { prepareTable, withTargets } from '../data/table-data.ts'
import { profileTable } from '../data/table-profile.ts'
import { checkTargets, type TargetForm, type TargetForms } from '../data/table-targets.ts'
import { writtenNumbersOf } from '../data/written-numbers.ts'
import { cachedTable, type EncodedCache, encodedCache, keepTable, streamedTable } from './tabular-cache.ts'
import { columnSettings, type TabularConfig } from './tabular-config.ts'
import type { LoadOptions, TaskData } from './task.ts'

/** What loading a table goes by, at every step. */
export interface TableLoading {
  readonly config: TabularConfig
  readonly answer: TargetForms
  readonly options: LoadOptions
  readonly targets: readonly string[]
  /** rows that are read of a source are those that rules left of another */
  readonly cleaned?: Pick<CleanedSource, 'rows' | 'steps'> | undefined
}

/** Reads the table of a configuration. */
export async function loadTable(config: TabularConfig, answer: TargetForms, options: LoadOptions): Promise<TaskData> {
  const loading: TableLoading = { config, answer, options, targets: targetsOf(config.data.target) }
  const { source, query, pattern, csv, table } = config.data
  const onBroken = options.skipBroken ? 'skip' : config.data.onBroken
  const origin = await originOf(source, { root: options.root, table, query, pattern, csv, onBroken })
  try {
    // Whoever inspects wants to see the table itself.
    const cache = options.skipBroken ? undefined : await encodedCache(origin, loading)
    const known = cache && (await cachedTable(cache, loading))
    return known ?? (await loadOrigin(origin, cache, loading))
  } finally {
    await origin.release()
  }
}

async function loadOrigin(
  origin: TableOrigin,
  cache: EncodedCache | undefined,
  loading: TableLoading,
): Promise<TaskData> {
  const { config, answer, targets } = loading
  const { missing, clean, memory } = config.data
  const { hints, wishes, ignore } = columnSettings(config.data)
  // A class may be written as a number, and keeps its name.
  const goals = targets.map((name, i) => {
    const form: TargetForm = typeof answer === 'string' ? answer : answer[i]!
    return [
      name,
      form === 'class' ? { ...hints[name], isTarget: true } : { kind: form, ...hints[name], isTarget: true },
    ] as const
  })
  const wanted = { ...hints, ...Object.fromEntries(goals) }
  const file = await openOrigin(origin, {
    missing,
    // What rules change is read as texts: what it holds is found out behind them.
    columns: { ...wanted, ...Object.fromEntries(textColumns(clean).map((name) => [name, { kind: 'category' }])) },
    ignore,
  })
  try {
    const found = await file.schema()
    checkTargets(found, targets, file.what)
    const parts = Math.ceil(encodedSize(found, wishes) / (memory * 2 ** 20))
    if (parts > 1 && cache && worksByChunks(clean)) {
      if (clean.length === 0) return await streamedTable(file, found, cache, loading)
      const cleaned = await cleanedSource(file, found, { rules: clean, hints: wanted })
      try {
        return await streamedTable(cleaned.source, await cleaned.source.schema(), cache, { ...loading, cleaned })
      } finally {
        await cleaned.source.release()
      }
    }
    const every = loading.options.skipBroken ? parts : 1
    return await loadWhole({ file, found, every, hints: wanted }, cache, loading)
  } finally {
    await file.release()
  }
}

interface WholeTable {
  readonly file: TableSource
  readonly found: TableSchema
  /** 1: all rows; otherwise each so-manieth: an inspection of what does not fit into memory */
  readonly every: number
  readonly hints: Parameters<typeof cleanTable>[2]['hints']
}

async function loadWhole(of: WholeTable, cache: EncodedCache | undefined, loading: TableLoading): Promise<TaskData> {
  const { config, answer, options, targets } = loading
  const { clean, missing, onMissingTarget, split } = config.data
  const { file, found, every, hints } = of
  const nameInFile = (row: number): string => file.nameOfRow(row * every)
  const whole = joinTables(await chunksOf(of, options))
  const cleaned = cleanTable(whole, { ...found, rows: whole.rows }, { rules: clean, hints, nameOfRow: nameInFile })
  // A row without labels is one that has none of them: it is looked at too.
  const skip = onMissingTarget === 'skip' || (options.skipBroken === true && answer !== 'set')
  const { table, rows, dropped } = withTargets(cleaned.table, targets, skip)
  const goal = targets.map((name) => `'${name}'`).join(', ')
  if (table.rows === 0) throw new QuernError('input', `${file.what}: no row has a value of ${goal}`)
  const schema: TableSchema = { ...cleaned.schema, rows: table.rows }
  const nameOfRow = (row: number): string => nameInFile(cleaned.rows[rows[row]!]!)
  const prepared = await prepareTable(table, schema, {
    target: targets,
    answer,
    wishes: columnSettings(config.data).wishes,
    split,
    missing,
    nameOfRow,
    readers: openCellFiles,
    random: createRandom(config.seed).fork('split'),
  })
  const { splits, labels, assignment } = prepared
  const used = prepared.preprocessing.columns.map(({ name }) => name)
  const kept = rulesToKeep(clean, used)
  const preprocessing = kept.length > 0 ? { ...prepared.preprocessing, clean: kept } : prepared.preprocessing
  const thinned =
    every > 1 ? [`Of ${found.rows} rows one in ${every} was looked at: more do not fit into data.memory.`] : []
  const notes = [...thinned, ...stops(of, dropped.length, loading), ...prepared.notes]
  const report = {
    examples: table.rows,
    broken: [
      ...file.skipped,
      ...Array.from(dropped, (row) => ({ name: nameInFile(cleaned.rows[row]!), reason: `no value of ${goal}` })),
    ],
    ignored: [],
    cached: 0,
    warnings: [...writtenNotes(table, loading), ...notes],
    ...(clean.length > 0 ? { cleaned: cleaned.steps } : {}),
  }
  const data = { splits, labels, preprocessing, report }
  const warnings =
    cache === undefined
      ? []
      : await keepTable(cache, {
          data,
          prepared,
          sourceRow: (row) => cleaned.rows[rows[row]!]!,
          names: file.rowNames(),
        })
  return {
    ...data,
    report: { ...report, warnings: [...report.warnings, ...warnings] },
    profile: () =>
      profileTable({
        ...{ table, schema, targets, splits: assignment as Record<string, Int32Array>, notes, used, nameOfRow },
        labels: answer === 'class' && targets.length === 1 ? labels : [],
        report,
        // How much a column says alone is told of one class and of one number.
        told: answer !== 'set' && targets.length === 1 && tableColumn(table, targets[0]!).kind !== 'vector',
      }),
  }
}

/** Columns of numbers that will be taken for names; of those that are called names nothing is said. */
function writtenNotes(table: Table, { config, targets }: TableLoading): string[] {
  const { hints, ignore } = columnSettings(config.data)
  return [...table.columns.values()].flatMap((column) => {
    const { name } = column
    if (targets.includes(name) || ignore.includes(name) || hints[name]?.kind !== undefined) return []
    const found = writtenNumbersOf(column)
    if (found === undefined) return []
    return [
      `column '${name}' holds numbers written as '${found.example}', which are taken for names: quern inspect says how data.clean makes numbers of them.`,
    ]
  })
}

/** What an inspection leaves out, and training may not. */
function stops({ file }: WholeTable, dropped: number, { config, options, targets }: TableLoading): string[] {
  if (!options.skipBroken) return []
  const { onBroken, onMissingTarget } = config.data
  return [
    ...(file.skipped.length > 0 && onBroken === 'fail'
      ? ["training stops at lines that do not fit: mend them, or leave them out with data.onBroken: 'skip'."]
      : []),
    ...(dropped > 0 && onMissingTarget === 'fail'
      ? [
          `training stops at a row without ${targets.map((name) => `'${name}'`).join(', ')}: fill it in, or leave such rows out with data.onMissingTarget: 'skip'.`,
        ]
      : []),
  ]
}

async function chunksOf({ file, found, every }: WholeTable, { signal, onProgress }: LoadOptions): Promise<Table[]> {
  const chunks: Table[] = []
  let done = 0
  for await (const chunk of file.read({ apart: every > 1 })) {
    signal?.throwIfAborted()
    chunks.push(every > 1 ? oneIn(every, chunk) : chunk)
    done += chunk.rows
    onProgress?.(done, found.rows)
  }
  return chunks
}

/** Rows whose places in the source are multiples of `every`. */
function oneIn(every: number, chunk: Table): Table {
  const first = Math.ceil(chunk.first / every) * every - chunk.first
  const count = Math.max(0, Math.ceil((chunk.rows - first) / every))
  return pickRows(
    chunk,
    Int32Array.from({ length: count }, (_, i) => first + i * every),
  )
}

/** The model must have been made for the same columns; what it learnt of them is its own. */
export function checkTable(data: TaskData, manifest: Manifest, what: string): void {
  const [ours, models] = [data.preprocessing, manifest.preprocessing]
  if (ours.kind !== 'table' || models.kind !== 'table') {
    throw new QuernError('input', `${what} takes ${models.kind}, the project has a table`)
  }
  const text = ({ name, kind, feature }: TableColumn): string => `${name} (${kind}, ${feature})`
  const [here, there] = [ours.columns.map(text), models.columns.map(text)]
  const other = there.find((column, i) => column !== here[i]) ?? here[there.length]
  const answers = ({ target, answers: several }: TablePreprocessing): string =>
    several
      ? several.map(({ target, labels }) => `${target} (${labels.join(', ') || 'number'})`).join(', ')
      : targetsOf(target).join(', ')
  const [asked, answered] = [answers(ours), answers(models)]
  if (asked === answered && other === undefined) return
  throw new QuernError(
    'config',
    asked === answered
      ? `${what} reads other columns than the configuration makes: the first that differs is ${other}`
      : `${what} answers '${answered}'; the configuration asks for '${asked}'`,
    { hint: 'Evaluate it with the configuration that it was trained with, or train again.' },
  )
}
