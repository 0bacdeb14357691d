/** Networks on tables: features in the graph, an encoder for each column that is an input of its own, then layers, then the answer. */
import type { TableColumn } from '../contract/manifest.ts'
import { columnType, exampleShape } from '../data/dataset.ts'
import type { BlockName, FeatureContext } from '../data/features/feature.ts'
import { ownInput } from '../data/features/own-feature.ts'
import { createTableEncoder, type OwnColumn, type TableEncoder } from '../data/features/table-encoder.ts'
import type { Value } from '../graph/graph.ts'
import { dense, type Layer, type LayerContext, layer } from '../nn/index.ts'
import type { ColumnSpec } from '../train/network.ts'
import { checkEncoders, type Encoders, encoderOf } from './tabular-encoders.ts'
import type { FeatureForm, TableLayers } from './tabular-models.ts'
import type { TaskData } from './task.ts'

/** The blocks of a table that the network reads, then the columns that are inputs of their own. */
export function tableInputs({ splits, preprocessing }: TaskData): ColumnSpec[] {
  const columns = preprocessing.kind === 'table' ? preprocessing.columns : []
  return ['numbers', 'categories', ...columns.map(ownInput)]
    .filter((name) => name in { ...splits.train.columns, ...splits.train.stored })
    .map((name) => {
      const column = columnType(splits.train, name)
      return { name, dtype: column.dtype, shape: exampleShape(column) }
    })
}

/** A vector for each column that is an input of its own, by its encoder. */
function encodedColumns(
  c: LayerContext,
  columns: readonly { readonly own: OwnColumn; readonly encoder: Layer }[],
  values: Readonly<Record<string, Value>>,
): { readonly name: string; readonly vector: Value }[] {
  return columns.map(({ own, encoder }) => {
    const { column, feature, input } = own
    const features = feature.graph(column.state, c as FeatureContext, values[input]!)
    return { name: column.name, vector: c.inner(`${column.name}/encoder`, encoder, [features]) }
  })
}

/** float32 `[batch, features]` of the inputs, or tokens `[batch, columns, size]`. */
function tableFeatures(columns: readonly TableColumn[], inputs: readonly string[], of: TableForm): Layer {
  const encoder = createTableEncoder(columns)
  const { form, encoders } = of
  checkEncoders(encoders, encoder.own)
  const own = encoder.own.map((column) => ({ own: column, encoder: encoderOf(column, encoders, form === 'linear') }))
  return layer({
    kind: 'features',
    config: {
      columns: columns.map(({ name, feature }) => ({ name, feature })),
      form,
      encoders: own.map((each) => ({ column: each.own.column.name, kind: each.encoder.kind, ...each.encoder.config })),
    },
    arity: 'many',
    apply: (c, given) => {
      const values = Object.fromEntries(inputs.map((name, i) => [name, given[i]!]))
      const blocks = blocksOf(c as FeatureContext, encoder, values, form)
      const vectors = encodedColumns(c, own, values)
      if (typeof form !== 'number') return c.g.concat([...blocks, ...vectors.map(({ vector }) => vector)], 1)
      const tokens = vectors.map(({ name, vector }) => {
        const token = c.inner(`${name}/token`, dense({ units: form }), [vector])
        return c.g.unsqueeze(token, [1])
      })
      return c.g.concat([...blocks, ...tokens], 1)
    },
  })
}

/** What the blocks of numbers and categories give; nothing where there are none. */
function blocksOf(
  c: FeatureContext,
  encoder: TableEncoder,
  values: Readonly<Record<string, Value>>,
  form: FeatureForm,
): Value[] {
  const blocks: Partial<Record<BlockName, Value>> = values
  if (encoder.placed.length === 0) return []
  if (typeof form === 'number') return [encoder.tokens(c, blocks, form)]
  return [encoder.graph(c, blocks, { linear: form === 'linear' })]
}

interface TableForm {
  readonly form: FeatureForm
  readonly encoders: Encoders
}

/** Features and layers in one: it takes the raw blocks and columns. */
export function tableModel(
  columns: readonly TableColumn[],
  inputs: readonly ColumnSpec[],
  { body, form }: TableLayers,
  encoders: Encoders,
): Layer {
  const features = tableFeatures(
    columns,
    inputs.map(({ name }) => name),
    { form, encoders },
  )
  return layer({
    kind: 'table',
    config: { features: features.config, layers: { kind: body.kind, ...body.config } },
    arity: 'many',
    apply: (c, given) => c.inner('network', body, [c.inner('features', features, given)]),
  })
}
