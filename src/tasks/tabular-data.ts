/** The data of a task on a table: read, checked, divided, encoded. */
import type { Manifest, TableColumn } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'
import { cleanTable, rulesToKeep, textColumns } from '../data/clean/clean-table.ts'
import { openCellFiles } from '../data/sources/cell-files.ts'
import { openTable } from '../data/sources/open-table.ts'
import { isPresent, joinTables, pickRows, type Table, tableColumn } from '../data/table/table.ts'
import type { TableSchema } from '../data/table/table-source.ts'
import { checkTarget, prepareTable, type TargetForm } from '../data/table-data.ts'
import { profileTable } from '../data/table-profile.ts'
import { columnSettings, type TabularConfig } from './tabular-config.ts'
import type { LoadOptions, TaskData } from './task.ts'

/** Reads the file of a configuration. */
export async function loadTable(config: TabularConfig, answer: TargetForm, options: LoadOptions): Promise<TaskData> {
  const {
    source,
    target,
    table: from,
    query,
    pattern,
    csv,
    missing,
    onBroken,
    onMissingTarget,
    clean,
    split,
  } = config.data
  const { hints, wishes, ignore } = columnSettings(config.data)
  // A class may be written as a number.
  const form = { number: { kind: 'number' }, set: { kind: 'set' }, class: {} } as const
  const wanted = { ...hints, ...(answer === 'class' ? {} : { [target]: { ...form[answer], ...hints[target] } }) }
  const skip = options.skipBroken ? 'skip' : onBroken
  const file = await openTable(source, {
    root: options.root,
    table: from,
    query,
    pattern,
    csv,
    missing,
    // What rules change is read as texts: what it holds is found out behind them.
    columns: { ...wanted, ...Object.fromEntries(textColumns(clean).map((name) => [name, { kind: 'category' }])) },
    ignore,
    onBroken: skip,
  })
  try {
    const found = await file.schema()
    checkTarget(found, target, file.what)
    const chunks: Table[] = []
    let done = 0
    for await (const chunk of file.read()) {
      options.signal?.throwIfAborted()
      chunks.push(chunk)
      done += chunk.rows
      options.onProgress?.(done, found.rows)
    }
    const nameInFile = (row: number): string => file.nameOfRow(row)
    const cleaned = cleanTable(joinTables(chunks), found, { rules: clean, hints: wanted, nameOfRow: nameInFile })
    const all = cleaned.table
    const { table, rows, dropped } = withTarget(all, target, onMissingTarget === 'skip' || options.skipBroken === true)
    if (table.rows === 0) throw new QuernError('input', `${file.what}: no row has a value of '${target}'`)
    const schema: TableSchema = { ...cleaned.schema, rows: table.rows }
    const nameOfRow = (row: number): string => nameInFile(cleaned.rows[rows[row]!]!)
    const prepared = await prepareTable(table, schema, {
      target,
      answer,
      wishes,
      split,
      missing,
      nameOfRow,
      readers: openCellFiles,
      random: createRandom(config.seed).fork('split'),
    })
    const { splits, labels, preprocessing, notes } = prepared
    const report = {
      examples: table.rows,
      broken: [
        ...file.skipped,
        ...dropped.map((row) => ({ name: nameInFile(cleaned.rows[row]!), reason: `no value of '${target}'` })),
      ],
      ignored: [],
      cached: 0,
      warnings: [],
      ...(clean.length > 0 ? { cleaned: cleaned.steps } : {}),
    }
    const used = preprocessing.columns.map(({ name }) => name)
    // How much a column says alone is told of one class and of one number.
    const oneAnswer = answer !== 'set' && tableColumn(table, target).kind !== 'vector'
    const kept = rulesToKeep(clean, used)
    return {
      splits,
      labels,
      preprocessing: kept.length > 0 ? { ...preprocessing, clean: kept } : preprocessing,
      report: { ...report, warnings: notes },
      profile: () =>
        profileTable({
          table,
          schema,
          target,
          labels: answer === 'class' ? labels : [],
          splits,
          report,
          notes,
          used: oneAnswer ? used : [],
        }),
    }
  } finally {
    await file.release()
  }
}

/** Without the rows that have no target, when they may be left out. */
function withTarget(
  table: Table,
  target: string,
  skip: boolean,
): { table: Table; rows: Int32Array; dropped: number[] } {
  const every = Int32Array.from({ length: table.rows }, (_, i) => i)
  const { valid } = tableColumn(table, target)
  if (!skip) return { table, rows: every, dropped: [] }
  const rows = every.filter((row) => isPresent(valid, row))
  const dropped = Array.from(every.filter((row) => !isPresent(valid, row)))
  if (dropped.length === 0) return { table, rows, dropped }
  return { table: pickRows(table, rows), rows, dropped }
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
  if (ours.target === models.target && other === undefined) return
  throw new QuernError(
    'config',
    ours.target === models.target
      ? `${what} reads other columns than the configuration makes: the first that differs is ${other}`
      : `${what} answers '${models.target}'; the configuration asks for '${ours.target}'`,
    { hint: 'Evaluate it with the configuration that it was trained with, or train again.' },
  )
}
