/** Tiny bundles that take rows of a table, for the tests of everything that reads rows. A missing number makes the answer of its row no number. */
import { exportGraph } from '../src/bundle/export-graph.ts'
import { type Bundle, createPipeline, openBundle, type Pipeline } from '../src/bundle/index.ts'
import type { Manifest, TableColumn } from '../src/contract/manifest.ts'
import { createRandom } from '../src/core/random.ts'
import { dense, initialParameters, rescaling, sequential, trace } from '../src/nn/index.ts'
import { table } from '../src/ops/index.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { sampleFiles, sampleManifest } from './sample-bundle.ts'

const column = (name: string): TableColumn => ({
  name,
  kind: 'number',
  feature: 'standard',
  state: { fill: 0, gaps: false, offset: 0, scale: 1 },
})

export const riskLabels: readonly string[] = ['low', 'high', 'un,known']

/** A classifier over `age` and `income`, or a regression that estimates `price`. */
export async function sampleTableBundle(
  kind: 'classification' | 'regression',
  columns: readonly string[] = ['age', 'income'],
): Promise<Bundle> {
  const isClassifier = kind === 'classification'
  const units = isClassifier ? riskLabels.length : 1
  const layers = dense({ units, ...(isClassifier ? { activation: 'softmax' as const } : {}) })
  const model = sequential([rescaling({ scale: 1 / 50 }), layers])
  const inputs = [{ name: 'numbers', dtype: 'float64' as const, shape: [columns.length] }]
  const symbolic = { name: 'numbers', type: { dtype: 'float64' as const, shape: ['batch', columns.length] } }
  const { parameters } = trace(model, [symbolic], { table, training: false })
  const values = initialParameters(parameters, createRandom(5))
  const output = isClassifier ? 'probabilities' : 'estimate'
  const name = isClassifier ? 'risk' : 'price'
  const manifest: Omit<Manifest, 'files'> = {
    ...sampleManifest,
    task: `tabular-${kind}`,
    name,
    inputs: [{ name: 'numbers', dtype: 'float64', shape: ['batch', columns.length] }],
    outputs: [{ name: output, dtype: 'float32', shape: ['batch', units] }],
    preprocessing: { kind: 'table', columns: columns.map(column), target: name, missing: ['', 'NA'] },
    labels: isClassifier ? [...riskLabels] : [],
  }
  const bytes = exportGraph({ model, inputs, output, parameters: values, table, name })
  return openBundle(await sampleFiles(manifest, bytes), name)
}

export async function sampleTablePipeline(...given: Parameters<typeof sampleTableBundle>): Promise<Pipeline> {
  return createPipeline(await sampleTableBundle(...given), { backend: createNodeBackend() })
}

const buckets = 16

/** Texts, untrained: labels that do not exclude each other, as `tabular-multilabel` answers, or vectors of three numbers. */
export async function sampleTextPipeline(kind: 'labels' | 'vectors'): Promise<Pipeline> {
  const isLabels = kind === 'labels'
  const layers = dense({ units: 3, ...(isLabels ? { activation: 'sigmoid' as const } : {}) })
  const inputs = [{ name: 'numbers', dtype: 'float64' as const, shape: [buckets] }]
  const model = sequential([rescaling({ scale: 1 }), layers])
  const symbolic = { name: 'numbers', type: { dtype: 'float64' as const, shape: ['batch', buckets] } }
  const { parameters } = trace(model, [symbolic], { table, training: false })
  const output = isLabels ? 'probabilities' : 'estimate'
  const manifest: Omit<Manifest, 'files'> = {
    ...sampleManifest,
    task: isLabels ? 'tabular-multilabel' : 'tabular-regression',
    name: kind,
    inputs: [{ name: 'numbers', dtype: 'float64', shape: ['batch', buckets] }],
    outputs: [{ name: output, dtype: 'float32', shape: ['batch', 3] }],
    preprocessing: {
      kind: 'table',
      columns: [{ name: 'text', kind: 'text', feature: 'bag', state: { buckets } }],
      target: kind,
      missing: [''],
    },
    labels: isLabels ? [...riskLabels] : [],
  }
  const values = initialParameters(parameters, createRandom(8))
  const bytes = exportGraph({ model, inputs, output, parameters: values, table, name: kind })
  return createPipeline(await openBundle(await sampleFiles(manifest, bytes), kind), { backend: createNodeBackend() })
}
