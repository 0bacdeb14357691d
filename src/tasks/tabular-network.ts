/** Networks on tables: features in the graph, then layers, then the answer. */
import type { TableColumn } from '../contract/manifest.ts'
import { columnOf, exampleShape } from '../data/dataset.ts'
import type { BlockName, FeatureContext } from '../data/features/feature.ts'
import { createTableEncoder } from '../data/features/table-encoder.ts'
import { type Layer, layer } from '../nn/index.ts'
import type { ColumnSpec } from '../train/network.ts'
import type { FeatureForm, TableLayers } from './tabular-models.ts'
import type { TaskData } from './task.ts'

/** The blocks of a table that the network reads, in the order of its inputs. */
export function tableInputs({ splits }: TaskData): ColumnSpec[] {
  return (['numbers', 'categories'] as const)
    .filter((block) => block in splits.train.columns)
    .map((block) => {
      const column = columnOf(splits.train, block)
      return { name: block, dtype: column.dtype, shape: exampleShape(column) }
    })
}

/** float32 `[batch, features]` of the blocks, or tokens `[batch, columns, size]`. */
function tableFeatures(columns: readonly TableColumn[], blocks: readonly BlockName[], form: FeatureForm): Layer {
  const encoder = createTableEncoder(columns)
  return layer({
    kind: 'features',
    config: { columns: columns.map(({ name, feature }) => ({ name, feature })), form },
    arity: 'many',
    apply: (c, inputs) => {
      const values = Object.fromEntries(blocks.map((block, i) => [block, inputs[i]!]))
      if (typeof form === 'number') return encoder.tokens(c as FeatureContext, values, form)
      return encoder.graph(c as FeatureContext, values, { linear: form === 'linear' })
    },
  })
}

/** Features and layers in one: it takes the raw blocks. */
export function tableModel(
  columns: readonly TableColumn[],
  inputs: readonly ColumnSpec[],
  { body, form }: TableLayers,
): Layer {
  const features = tableFeatures(
    columns,
    inputs.map(({ name }) => name as BlockName),
    form,
  )
  return layer({
    kind: 'table',
    config: { features: features.config, layers: { kind: body.kind, ...body.config } },
    arity: 'many',
    apply: (c, given) => c.inner('network', body, [c.inner('features', features, given)]),
  })
}
