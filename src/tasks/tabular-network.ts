/** Networks on tables: features in the graph, then layers, then the answer. */
import type { TableColumn } from '../contract/manifest.ts'
import { columnOf, exampleShape } from '../data/dataset.ts'
import type { BlockName, FeatureContext } from '../data/features/feature.ts'
import { createTableEncoder } from '../data/features/table-encoder.ts'
import { dense, dropout, type Layer, layer, sequential } from '../nn/index.ts'
import type { ColumnSpec } from '../train/network.ts'
import type { TabularConfig } from './tabular-config.ts'
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

/** float32 `[batch, features]` of the blocks; `linear` for a model without hidden layers. */
function tableFeatures(columns: readonly TableColumn[], blocks: readonly BlockName[], linear: boolean): Layer {
  const encoder = createTableEncoder(columns)
  return layer({
    kind: 'features',
    config: { columns: columns.map(({ name, feature }) => ({ name, feature })) },
    arity: 'many',
    apply: (c, inputs) =>
      encoder.graph(c as FeatureContext, Object.fromEntries(blocks.map((block, i) => [block, inputs[i]!])), { linear }),
  })
}

/** Features and layers in one: it takes the raw blocks. */
export function tableModel(
  columns: readonly TableColumn[],
  inputs: readonly ColumnSpec[],
  body: Layer,
  linear = false,
): Layer {
  const features = tableFeatures(
    columns,
    inputs.map(({ name }) => name as BlockName),
    linear,
  )
  return layer({
    kind: 'table',
    config: { features: features.config, layers: { kind: body.kind, ...body.config } },
    arity: 'many',
    apply: (c, given) => c.inner('network', body, [c.inner('features', features, given)]),
  })
}

/** A linear model and a deep one, added up (Cheng et al. 2016, "Wide & deep learning"): what is linear need not be learnt by hidden units. */
function wideAndDeep(deep: Layer, units: number): Layer {
  const wide = dense({ units, kernelInitializer: 'zeros', useBias: false })
  return layer({
    kind: 'wideAndDeep',
    config: { wide: { kind: wide.kind, ...wide.config }, deep: { kind: deep.kind, ...deep.config } },
    apply: (c, [x]) => c.g.add(c.inner('wide', wide, [x!]), c.inner('deep', deep, [x!])),
  })
}

/** The layers that a configuration asks for, with `units` numbers at the end. */
export function tableLayers({ model }: TabularConfig, units: number): { body: Layer; linear: boolean } {
  if (model === 'linear') return { body: sequential([dense({ units })]), linear: true }
  if (typeof model === 'function') return { body: model, linear: false }
  const { hidden, dropout: rate, wide } = model
  const layers = hidden.flatMap((size) => [
    dense({ units: size, activation: 'relu', kernelInitializer: 'heUniform' }),
    ...(rate > 0 ? [dropout({ rate })] : []),
  ])
  const deep = sequential([...layers, dense({ units })])
  return { body: wide ? wideAndDeep(deep, units) : deep, linear: false }
}
