/** Rows of named values in; labels with probabilities, or an estimate, out. */
import { answersOf, type Manifest, numberNames, type TablePreprocessing, targetsOf } from '../contract/manifest.ts'
import { messageOf, QuernError, suggestion } from '../core/errors.ts'
import { formatShape, sameShape } from '../core/shape.ts'
import { createRowCleaner, type RowCleaner } from '../data/clean/clean-row.ts'
import { createTableEncoder, type TableEncoder } from '../data/features/table-encoder.ts'
import { columnFromValues } from '../data/table/cells.ts'
import { type ColumnKind, columnKinds, type Table } from '../data/table/table.ts'
import type { NamedTensors } from '../runtime/backend.ts'
import { bestClasses } from './classes.ts'
import { embeddings, moderations } from './openai.ts'
import { tablePreprocessing, tabularCard } from './tabular-card.ts'
import { checkAnswers, finite, targetAnswers } from './tabular-several.ts'
import type { PrepareContext, TaskPipeline } from './task-pipeline.ts'

/** Encoders by the columns of an open bundle. */
const encoders = new WeakMap<TablePreprocessing, TableEncoder>()

function encoderOf(preprocessing: TablePreprocessing): TableEncoder {
  let encoder = encoders.get(preprocessing)
  if (!encoder) {
    encoder = createTableEncoder(preprocessing.columns)
    encoders.set(preprocessing, encoder)
  }
  return encoder
}

/** What changes the values of a row, by the preprocessing of an open bundle. */
const cleaners = new WeakMap<TablePreprocessing, RowCleaner>()

function cleanerOf(preprocessing: TablePreprocessing): RowCleaner {
  let cleaner = cleaners.get(preprocessing)
  if (!cleaner) {
    cleaner = createRowCleaner(preprocessing.clean ?? [], preprocessing.missing)
    cleaners.set(preprocessing, cleaner)
  }
  return cleaner
}

function check(manifest: Manifest, what: string): void {
  const wrong = (message: string): QuernError => new QuernError('input', `${what}: quern.json: ${message}`)
  const preprocessing = tablePreprocessing(manifest, what)
  const unknown = preprocessing.columns.find(({ kind }) => !(columnKinds as readonly string[]).includes(kind))
  if (unknown) throw wrong(`column '${unknown.name}' is of the unknown kind '${unknown.kind}'`)
  try {
    cleanerOf(preprocessing)
  } catch (error) {
    throw wrong(messageOf(error))
  }
  const { widths, own } = encoderOf(preprocessing)
  for (const { input, feature, shape } of own) {
    const port = manifest.inputs.find(({ name }) => name === input)
    if (port?.dtype === feature.dtype && sameShape(port.shape.slice(1), shape)) continue
    const found = port ? `${port.dtype} ${formatShape(port.shape)}` : 'none'
    throw wrong(`the input '${input}' must be ${feature.dtype} ${formatShape(['batch', ...shape])}, found ${found}`)
  }
  for (const [block, width] of Object.entries(widths)) {
    if (width === 0) continue
    const port = manifest.inputs.find(({ name }) => name === block)
    const dtype = block === 'numbers' ? 'float64' : 'int32'
    if (port?.dtype === dtype && port.shape.length === 2 && port.shape[1] === width) continue
    const found = port ? `${port.dtype} ${formatShape(port.shape)}` : 'none'
    throw wrong(`the columns need the input '${block}' as ${dtype} [batch, ${width}], found ${found}`)
  }
}

/** One row. Every column that the model reads must be named; a value may be null. */
async function prepare(input: unknown, { manifest, onUnseen, images }: PrepareContext): Promise<NamedTensors> {
  const preprocessing = tablePreprocessing(manifest, 'the bundle')
  const { columns, missing, target } = preprocessing
  const row = input as Readonly<Record<string, unknown>>
  if (ArrayBuffer.isView(input)) {
    throw new QuernError(
      'input',
      `model '${manifest.name}' takes rows of a table (.csv, .tsv, .json, .jsonl, .parquet), received bytes of something else`,
    )
  }
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new QuernError('input', `model '${manifest.name}' takes rows: objects with a value for each column`)
  }
  const names = columns.map(({ name }) => name)
  const absent = names.filter((name) => !Object.hasOwn(row, name))
  const extra = Object.keys(row).filter((name) => !targetsOf(target).includes(name) && !names.includes(name))
  if (absent.length > 0) {
    const [first] = absent
    const others = absent.length > 1 ? ` (and ${absent.length - 1} more)` : ''
    const near = extra.length > 0 ? `. ${suggestion(first!, extra.slice(0, 20))}` : ''
    throw new QuernError('input', `the row has no column '${first}'${others}, which the model was trained on${near}`, {
      hint: 'Give null where a value is not known.',
    })
  }
  const clean = cleanerOf(preprocessing)
  const made = columns.map(({ name, kind, state }) => {
    const format = typeof state.format === 'string' ? state.format : undefined
    return [
      name,
      columnFromValues({ name, kind: kind as ColumnKind, format, missing }, [clean(name, written(row[name]))]),
    ] as const
  })
  const table: Table = { rows: 1, first: 0, columns: new Map(made) }
  const encoder = encoderOf(preprocessing)
  // A row may come from a stranger: it can bring bytes, it cannot name files.
  const own = await encoder.encodeOwn(table, { images, readFile: undefined }, onUnseen, () => 'the row')
  return { ...encoder.encode(table, onUnseen, () => 'the row'), ...own } as NamedTensors
}

/** Bytes of a picture or a sound as the text that stands in a cell. */
function written(value: unknown): unknown {
  return value instanceof Uint8Array ? `data:;base64,${base64(value)}` : value
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 32_768) text += String.fromCharCode(...bytes.subarray(i, i + 32_768))
  return btoa(text)
}

/** A probability for each label. */
function checkLabels(manifest: Manifest, what: string, least: number): void {
  check(manifest, what)
  const { labels, outputs } = manifest
  const { shape, name, dtype } = outputs[0]!
  if (labels.length >= least && dtype === 'float32' && shape.length === 2 && shape[1] === labels.length) return
  throw new QuernError(
    'input',
    `${what}: quern.json: output '${name}' must be float32 [batch, ${labels.length}] for ${labels.length} labels, found ${dtype} ${formatShape(shape)}`,
  )
}

export const tabularClassification: TaskPipeline = {
  task: 'tabular-classification',
  check(manifest, what) {
    const several = answersOf(manifest)
    if (!several) return checkLabels(manifest, what, 2)
    check(manifest, what)
    checkAnswers(several, manifest, what)
  },
  prepare,
  answers(outputs, row, manifest, topK) {
    const several = answersOf(manifest)
    if (several) return targetAnswers(several, { outputs, row, topK }, manifest)
    return bestClasses(outputs[manifest.outputs[0]!.name]!.data as Float32Array, row, manifest, topK)
  },
  card: tabularCard,
}

/** Labels that do not exclude each other: each has a probability of its own, the highest stands first. */
export const tabularMultilabel: TaskPipeline = {
  ...tabularClassification,
  task: 'tabular-multilabel',
  check: (manifest, what) => checkLabels(manifest, what, 1),
  openai: { '/v1/moderations': moderations },
}

export const tabularRegression: TaskPipeline = {
  task: 'tabular-regression',
  check(manifest, what) {
    check(manifest, what)
    const { shape, name, dtype } = manifest.outputs[0]!
    if (dtype === 'float32' && shape.length === 2 && Number(shape[1]) >= 1) return
    throw new QuernError(
      'input',
      `${what}: quern.json: output '${name}' must be float32 [batch, numbers], found ${dtype} ${formatShape(shape)}`,
    )
  },
  prepare,
  answers(outputs, row, manifest) {
    const { data, shape } = outputs[manifest.outputs[0]!.name]!
    const size = shape[1]!
    const names = numberNames(tablePreprocessing(manifest, 'the bundle'), size)
    const values = (data as Float32Array).subarray(row * size, (row + 1) * size)
    return Array.from(values, (value, i) => ({ target: names[i]!, value: finite(value, manifest.name) }))
  },
  card: tabularCard,
  openai: { '/v1/embeddings': embeddings },
}
