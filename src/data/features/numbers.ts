/**
 * Numbers, scaled in the graph. Every feature here fills what is missing with the training split's median and says so in a column of
 * its own (1 where the value was missing), when the training split had missing values.
 */
import { tensor } from '../../core/tensor.ts'
import type { Value } from '../../graph/graph.ts'
import type { Emitter } from '../../ops/emitter.ts'
import { isPresent } from '../table/table.ts'
import type { Feature, FeatureContext, Fitted } from './feature.ts'
import { type NumberStatistics, numberStatistics, numericOptions, quantileOf } from './number-statistics.ts'

interface Filled {
  /** median of the training split */
  readonly fill: number
  /** the training split had missing values */
  readonly gaps: boolean
}

interface Scaled extends Filled {
  readonly offset: number
  /** above 0 */
  readonly scale: number
}

type Numeric<State> = Omit<Feature<State>, 'graph'>

/** What all of them share: the raw number goes in, NaN where there is none. */
function numeric<State extends Filled>(
  name: string,
  summary: string,
  fit: (statistics: NumberStatistics, options: Readonly<Record<string, unknown>>) => Omit<State, keyof Filled>,
): Numeric<State> {
  return {
    name,
    summary,
    kinds: ['number', 'date'],
    block: 'numbers',
    width: () => 1,
    fit(training, options) {
      const statistics = numberStatistics(training)
      const own = fit(statistics, options)
      return { fill: quantileOf(statistics.sorted, 0.5), gaps: statistics.missing > 0, ...own } as State
    },
    encode(_, { values, valid }, rows, into, at, stride) {
      for (let row = 0; row < rows; row++) into[row * stride + at] = isPresent(valid, row) ? values[row]! : Number.NaN
    },
  }
}

const vector = (g: Emitter, values: readonly number[], dtype: 'float32' | 'float64' = 'float64'): Value =>
  g.constant(
    tensor(dtype, [values.length], dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values)),
  )

/** Numbers without gaps, float64, and the indicators of the columns that had gaps in training, float32. */
function filled(columns: readonly Fitted<Filled>[], g: Emitter, cells: Value): { x: Value; indicators: Value[] } {
  const isMissing = g.op('IsNaN', [cells])
  const fills = vector(
    g,
    columns.map(({ state }) => state.fill),
  )
  const x = g.op('Where', [isMissing, fills, cells])
  const gaps = columns.flatMap(({ state }, i) => (state.gaps ? [i] : []))
  if (gaps.length === 0) return { x, indicators: [] }
  const marks = g.cast(isMissing, 'float32')
  const indicators = gaps.length === columns.length ? marks : g.op('Gather', [marks, g.integers(gaps)], { axis: 1 })
  return { x, indicators: [indicators] }
}

const joined = (g: Emitter, parts: readonly Value[]): Value =>
  parts.length === 1 ? parts[0]! : g.op('Concat', parts, { axis: 1 })

/** (x - offset) / scale: in float64, so that large numbers that differ little keep their differences; float32 behind it. */
function scaled(columns: readonly Fitted<Scaled>[], g: Emitter, x: Value): Value {
  const centred = g.sub(
    x,
    vector(
      g,
      columns.map(({ state }) => state.offset),
    ),
  )
  return g.cast(
    g.mul(
      centred,
      vector(
        g,
        columns.map(({ state }) => 1 / state.scale),
      ),
    ),
    'float32',
  )
}

function scaledGraph(columns: readonly Fitted<Scaled>[], c: FeatureContext, cells: Value): Value {
  const { x, indicators } = filled(columns, c.g, cells)
  return joined(c.g, [scaled(columns, c.g, x), ...indicators])
}

/** A constant column has no spread: it carries nothing, and must not become NaN. */
const spread = (scale: number): number => (scale > 0 && Number.isFinite(scale) ? scale : 1)

const standard: Feature<Scaled> = {
  token: 'number',
  ...numeric('standard', 'number: (x - mean) / deviation', ({ mean, deviation, count }, options) => {
    numericOptions('standard', options, {})
    return { offset: count > 0 ? mean : 0, scale: spread(deviation) }
  }),
  graph: scaledGraph,
}

const minMax: Feature<Scaled> = {
  token: 'number',
  ...numeric('minMax', 'number: 0 at the least of training, 1 at the most', ({ sorted }, options) => {
    numericOptions('minMax', options, {})
    const [low = 0, high = 1] = [sorted[0], sorted.at(-1)]
    return { offset: low, scale: spread(high - low) }
  }),
  graph: scaledGraph,
}

const robust: Feature<Scaled> = {
  token: 'number',
  ...numeric(
    'robust',
    'number: (x - median) / distance of the quartiles; outliers count for little',
    ({ sorted }, options) => {
      numericOptions('robust', options, {})
      return { offset: quantileOf(sorted, 0.5), scale: spread(quantileOf(sorted, 0.75) - quantileOf(sorted, 0.25)) }
    },
  ),
  graph: scaledGraph,
}

/** sign(x) log(1 + |x|) */
const signedLog = (x: number): number => Math.sign(x) * Math.log1p(Math.abs(x))

const log: Feature<Scaled> = {
  token: 'number',
  ...numeric('log', 'number: sign(x) log(1 + |x|), then as standard: for amounts and counts', ({ sorted }, options) => {
    numericOptions('log', options, {})
    const logs = sorted.map(signedLog)
    const mean = logs.reduce((sum, x) => sum + x / logs.length, 0)
    return { offset: mean, scale: spread(Math.sqrt(logs.reduce((sum, x) => sum + (x - mean) ** 2 / logs.length, 0))) }
  }),
  graph(columns, { g }, cells) {
    const { x, indicators } = filled(columns, g, cells)
    const bent = g.mul(g.op('Sign', [x]), g.log(g.add(g.abs(x), 1)))
    return joined(g, [scaled(columns, g, bent), ...indicators])
  },
}

interface Binned extends Filled {
  /** ascending, two at least */
  readonly edges: readonly number[]
}

function binned(name: string, { sorted }: NumberStatistics, options: Readonly<Record<string, unknown>>, bins: number) {
  const { bins: count } = numericOptions(name, options, { bins })
  const size = Math.max(1, Math.min(1000, Math.round(count)))
  const edges = [...new Set(Array.from({ length: size + 1 }, (_, i) => quantileOf(sorted, i / size)))]
  return { edges: edges.length > 1 ? edges : [edges[0]!, edges[0]! + 1] }
}

/** clip((x - edge) / (next edge - edge), 0, 1) for every bin of a column: float32 `[batch, bins]`. */
function ramps({ state: { edges } }: Fitted<Binned>, g: Emitter, x: Value): Value {
  const low = vector(g, edges.slice(0, -1))
  const size = vector(
    g,
    edges.slice(0, -1).map((edge, i) => 1 / (edges[i + 1]! - edge)),
  )
  const share = g.mul(g.sub(x, low), size)
  return g.cast(g.max(g.min(share, 1), 0), 'float32')
}

const columnAt = (g: Emitter, x: Value, i: number): Value => g.op('Gather', [x, g.integers([i])], { axis: 1 })

/** Gorishniy, Rubachev, Babenko 2022, "On embeddings for numerical features in tabular deep learning": quantile bins. */
const piecewise: Feature<Binned> = {
  ...numeric(
    'piecewise',
    'number: how far it is through each of `bins` (16) bins of as many training rows',
    (s, options) => binned('piecewise', s, options, 16),
  ),
  graph(columns, { g }, cells) {
    const { x, indicators } = filled(columns, g, cells)
    return joined(g, [...columns.map((column, i) => ramps(column, g, columnAt(g, x, i))), ...indicators])
  },
}

const quantile: Feature<Binned> = {
  token: 'number',
  ...numeric('quantile', 'number: its rank among the training rows, from -1 to 1, by `bins` (100) bins', (s, options) =>
    binned('quantile', s, options, 100),
  ),
  graph(columns, { g }, cells) {
    const { x, indicators } = filled(columns, g, cells)
    const ranks = columns.map((column, i) => {
      const mean = g.mean(ramps(column, g, columnAt(g, x, i)), [1])
      return g.sub(g.mul(g.unsqueeze(mean, [1]), 2), 1)
    })
    return joined(g, [...ranks, ...indicators])
  },
}

interface Periodic extends Scaled {
  readonly frequencies: number
  readonly sigma: number
}

/** The same paper: sin and cos of 2 pi c x with trained c, for x scaled as `standard`. */
const periodic: Feature<Periodic> = {
  ...numeric(
    'periodic',
    'number: sines and cosines of `frequencies` (16) trained frequencies',
    ({ mean, deviation }, options) => {
      const { frequencies, sigma } = numericOptions('periodic', options, { frequencies: 16, sigma: 0.5 })
      return { offset: mean, scale: spread(deviation), frequencies: Math.round(frequencies), sigma }
    },
  ),
  graph(columns, c, cells, { linear }) {
    const { g } = c
    const { x, indicators } = filled(columns, g, cells)
    const numbers = scaled(columns, g, x)
    if (linear) return joined(g, [numbers, ...indicators])
    const waves = columns.flatMap(({ name, state: { frequencies, sigma } }, i) => {
      const initializer = { name: 'randomNormal', stddev: sigma } as const
      const turns = c.parameter(`${name}/frequencies`, { shape: [1, frequencies], initializer, decay: false })
      const angle = g.mul(g.mul(columnAt(g, numbers, i), turns), 2 * Math.PI)
      return [g.op('Sin', [angle]), g.op('Cos', [angle])]
    })
    return joined(g, [numbers, ...waves, ...indicators])
  },
}

/** Their states are known to themselves alone. */
export const numberFeatures: readonly Feature[] = [
  standard,
  minMax,
  robust,
  log,
  quantile,
  piecewise,
  periodic,
] as unknown as readonly Feature[]
