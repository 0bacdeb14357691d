/** The bundle of an untrained seed's CNN: for figures that do not depend on what the model has learnt. */
import { resolveProject } from '../src/actions/project.ts'
import { type Bundle, exportGraph, memoryFiles, openBundle, writeBundle } from '../src/bundle/index.ts'
import { createRandom } from '../src/core/random.ts'
import { initialParameters, trace } from '../src/nn/index.ts'
import { table } from '../src/ops/index.ts'
import type { TaskData } from '../src/tasks/task.ts'

export async function untrainedCnn(data: TaskData): Promise<Bundle> {
  const project = { task: 'image-classification', name: 'cnn', data: { source: '.' }, model: 'cnn' }
  const { task, config, name } = resolveProject(project, { root: '.', what: 'the benchmark' })
  const { model, inputs, outputs } = task.network(config, data)
  const output = outputs[0].name
  const batched = inputs.map((input) => ({
    name: input.name,
    type: { dtype: input.dtype, shape: ['batch', ...input.shape] },
  }))
  const { parameters } = trace(model, batched, { table, training: false })
  const bytes = exportGraph({
    model,
    inputs,
    output,
    parameters: initialParameters(parameters, createRandom(0)),
    table,
    name,
  })
  const files = memoryFiles()
  await writeBundle(files, {
    model: bytes,
    manifest: {
      format: 1,
      task: task.name,
      name,
      created: '2000-01-01T00:00:00.000Z',
      inputs: inputs.map((input) => ({ name: input.name, dtype: input.dtype, shape: ['batch', ...input.shape] })),
      outputs: [{ name: output, dtype: 'float32', shape: ['batch', data.labels.length] }],
      preprocessing: data.preprocessing,
      labels: [...data.labels],
      metrics: {},
      lineage: {
        run: 'none',
        seed: 0,
        config: {},
        data: { examples: {}, sha256: '0'.repeat(64) },
        epochs: 0,
        bestEpoch: 0,
        seconds: 0,
      },
      versions: {},
    },
  })
  return openBundle(files, 'the untrained CNN')
}
