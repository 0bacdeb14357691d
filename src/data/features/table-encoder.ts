/** The columns of a table as the two blocks that a network reads, and the operators behind them. */

import type { TableColumn } from '../../contract/manifest.ts'
import { dtypes } from '../../core/dtype.ts'
import { messageOf, QuernError } from '../../core/errors.ts'
import { type Tensor, tensor } from '../../core/tensor.ts'
import type { Value } from '../../graph/graph.ts'
import { type ColumnKind, cellText, type Table, tableColumn } from '../table/table.ts'
import type { BlockName, Feature, FeatureContext, OnUnseen } from './feature.ts'
import { checkFeature, featureFor, ownFeatureOf } from './index.ts'
import { type CellReaders, type OwnFeature, ownInput } from './own-feature.ts'
import { tokensOf } from './tokens.ts'

interface Placed {
  readonly column: TableColumn
  readonly feature: Feature
  /** first cell within the block */
  readonly at: number
  readonly width: number
}

/** Columns of one feature side by side, so that a graph has few operators however many columns there are. */
interface Group {
  readonly feature: Feature
  readonly members: readonly Placed[]
  readonly at: number
  readonly width: number
}

/** Where a column's cells stand in a row of its block. */
export interface PlacedColumn {
  readonly column: TableColumn
  readonly block: BlockName
  readonly at: number
  readonly width: number
}

export interface TableEncoder {
  /** cells of a row in each block; 0 where a block is not needed */
  readonly widths: Readonly<Record<BlockName, number>>
  /** every column, those of one feature side by side */
  readonly placed: readonly PlacedColumn[]
  /** columns that are an input of their own each, in their order */
  readonly own: readonly OwnColumn[]
  /** tensors `[rows, ...]` of those columns, by the names of their inputs */
  encodeOwn(table: Table, readers: CellReaders, onUnseen: OnUnseen, nameOf: NameOfRow): Promise<Record<string, Tensor>>
  /** blocks `[rows, width]` of a table that has the columns; those of width 0 are left out */
  encode(table: Table, onUnseen: OnUnseen, nameOf?: NameOfRow): Partial<Record<BlockName, Tensor>>
  /** float32 `[batch, features]` */
  graph(c: FeatureContext, blocks: Partial<Record<BlockName, Value>>, options: { linear: boolean }): Value
  /** float32 `[batch, columns, size]`: a vector for each column */
  tokens(c: FeatureContext, blocks: Partial<Record<BlockName, Value>>, size: number): Value
}

export interface OwnColumn {
  readonly column: TableColumn
  readonly feature: OwnFeature
  /** name of the graph's input */
  readonly input: string
  /** of one row's tensor */
  readonly shape: readonly number[]
}

type NameOfRow = (row: number) => string

/** Throws `config` for features that do not exist. */
export function createTableEncoder(columns: readonly TableColumn[]): TableEncoder {
  const own = columns.flatMap((column): OwnColumn[] => {
    const feature = ownFeatureOf(column)
    if (!feature) return []
    checkFeature(column.feature, column.name, column.kind as ColumnKind)
    return [{ column, feature, input: ownInput(column), shape: feature.shape(column.state) }]
  })
  const groups = groupsOf(columns.filter((column) => !ownFeatureOf(column)))
  const widthOf = (block: BlockName): number =>
    groups.reduce((sum, { feature, width }) => sum + (feature.block === block ? width : 0), 0)
  const widths = { numbers: widthOf('numbers'), categories: widthOf('categories') }
  const blocks = (Object.keys(widths) as BlockName[]).filter((block) => widths[block] > 0)
  return {
    widths,
    own,
    async encodeOwn(table, readers, onUnseen, nameOf) {
      const made: Record<string, Tensor> = {}
      for (const each of own) made[each.input] = await encodeColumn(each, table, readers, onUnseen, nameOf)
      return made
    },
    placed: groups.flatMap(({ feature: { block }, members }) =>
      members.map(({ column, at, width }) => ({ column, block, at, width })),
    ),
    encode(table, onUnseen, nameOf) {
      const { rows } = table
      const made: Partial<Record<BlockName, Tensor>> = {}
      for (const block of blocks) {
        const stride = widths[block]
        const into = block === 'numbers' ? new Float64Array(rows * stride) : new Int32Array(rows * stride)
        for (const { feature, members } of groups) {
          if (feature.block !== block) continue
          for (const { column, at } of members) {
            feature.encode(column.state, tableColumn(table, column.name), rows, into, at, stride, onUnseen, nameOf)
          }
        }
        made[block] = tensor(block === 'numbers' ? 'float64' : 'int32', [rows, stride], into)
      }
      return made
    },
    graph(c, values, options) {
      const parts = groups.map((group) => {
        const cells = cellsOf(c, group, values[group.feature.block]!, widths)
        return group.feature.graph(fittedOf(group), c, cells, options)
      })
      return c.g.concat(parts, 1)
    },
    tokens(c, values, size) {
      const parts = groups.map((group) => {
        const cells = cellsOf(c, group, values[group.feature.block]!, widths)
        const own = group.members.map(({ width }) => width)
        return tokensOf({ feature: group.feature, columns: fittedOf(group), widths: own, cells }, c, size)
      })
      return c.g.concat(parts, 1)
    },
  }
}

/** Cells side by side, some at once; one that cannot be read is an error that names row and column. */
async function encodeColumn(
  { column, feature, shape }: OwnColumn,
  table: Table,
  readers: CellReaders,
  onUnseen: OnUnseen,
  nameOf: NameOfRow,
): Promise<Tensor> {
  const size = shape.reduce((a, b) => a * b, 1)
  const values = new dtypes[feature.dtype].array!(table.rows * size) as Uint8Array
  const cells = tableColumn(table, column.name)
  const c = { ...readers, onUnseen: (value: string) => onUnseen(column.name, value) }
  const one = async (row: number): Promise<void> => {
    const cell = cellText(cells, row)
    if (cell === undefined) return
    try {
      await feature.encode(column.state, cell, values.subarray(row * size, (row + 1) * size), c)
    } catch (cause) {
      const { kind, hint } = cause instanceof QuernError ? cause : { kind: 'input' as const, hint: undefined }
      throw new QuernError(kind, `${nameOf(row)}, column '${column.name}': ${messageOf(cause)}`, { hint, cause })
    }
  }
  for (let first = 0; first < table.rows; first += cellsAtOnce) {
    const count = Math.min(cellsAtOnce, table.rows - first)
    await Promise.all(Array.from({ length: count }, (_, i) => one(first + i)))
  }
  return tensor(feature.dtype, [table.rows, ...shape], values)
}

const cellsAtOnce = 16

const fittedOf = ({ members }: Group) => members.map(({ column: { name, state } }) => ({ name, state }))

/** The group's part of its block. */
function cellsOf({ g }: FeatureContext, group: Group, block: Value, widths: TableEncoder['widths']): Value {
  const { feature, at, width } = group
  return width === widths[feature.block] ? block : g.slice(block, [at], [at + width], [1])
}

function groupsOf(columns: readonly TableColumn[]): Group[] {
  const byFeature = new Map<string, { feature: Feature; columns: TableColumn[] }>()
  for (const column of columns) {
    const feature = featureFor(column.feature, column.name, column.kind as ColumnKind)
    const group = byFeature.get(feature.name)
    if (group) group.columns.push(column)
    else byFeature.set(feature.name, { feature, columns: [column] })
  }
  const next: Record<BlockName, number> = { numbers: 0, categories: 0 }
  return [...byFeature.values()].map(({ feature, columns }) => {
    const at = next[feature.block]
    const members = columns.map((column): Placed => {
      const width = feature.width(column.state)
      const placed = { column, feature, at: next[feature.block], width }
      next[feature.block] += width
      return placed
    })
    return { feature, members, at, width: next[feature.block] - at }
  })
}
