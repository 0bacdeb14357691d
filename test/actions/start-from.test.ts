/** `quern train --from`: a run starts from a bundle, a run, an ONNX file, a Hugging Face style folder; what is kept, checked and refused. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { evaluateModel } from '../../src/actions/evaluate.ts'
import { exportModel } from '../../src/actions/export.ts'
import { inspectModel } from '../../src/actions/inspect-model.ts'
import { findBundle } from '../../src/actions/open-model.ts'
import { resolveProject } from '../../src/actions/project.ts'
import type { TrainResult } from '../../src/actions/train.ts'
import { float32 } from '../../src/core/tensor.ts'
import { GraphBuilder } from '../../src/graph/builder.ts'
import { readModel } from '../../src/onnx/read.ts'
import { writeModel } from '../../src/onnx/write.ts'
import { Emitter } from '../../src/ops/emitter.ts'
import { table } from '../../src/ops/index.ts'
import { createProjectFolder, type ProjectFolder, train } from './project-folder.ts'

let folder: ProjectFolder
let first: TrainResult
/** The first run's model without its preprocessing inside would be another file: this one takes pixels as they are. */
const file = 'base.onnx'

const quick = { epochs: 3, batchSize: 16, optimizer: { name: 'adam', learningRate: 0.003 } }

beforeAll(async () => {
  folder = await createProjectFolder()
  first = (await train(folder.services, folder.project({ model: 'cnn', train: { ...quick, epochs: 10 } }))).result
  await exportModel(folder.services, { model: first.run, target: 'onnx', out: join(folder.root, file) })
}, 60_000)
afterAll(() => folder.remove())

const long = { train: { epochs: 15, batchSize: 16, optimizer: { name: 'adam', learningRate: 0.02 } } }
const config = (from: unknown, more: object = {}) => folder.project({ from, train: quick, ...more })

/** Constants of an exported model by name. */
async function weights(run: string): Promise<Map<string, ArrayLike<unknown>>> {
  const { bundle } = await findBundle(folder.services, run)
  const { graph } = await readModel(bundle.model)
  const values = graph.nodes.flatMap(({ inputs }) => inputs)
  return new Map(
    values.flatMap((value) => (value?.constant ? [[value.name, value.constant.data as ArrayLike<unknown>]] : [])),
  )
}

describe('train from a model', () => {
  it('puts a new head behind the frozen base; the base stays as it was, its features are computed once', async () => {
    const { events, result } = await train(folder.services, config(file, long))
    const base = events.find(({ type }) => type === 'base')
    expect(base).toMatchObject({ trained: 0, features: { found: false } })
    expect((base as { difference: number }).difference).toBeLessThan(1e-5)
    const [before, after] = [await weights(first.run), await weights(result.run)]
    const kernel = [...before.keys()].find((name) => name.endsWith('conv2d/kernel'))!
    expect(after.get(kernel)).toEqual(before.get(kernel))
    expect([...after.keys()].filter((name) => name.includes('head/'))).toHaveLength(2)
    const losses = events.flatMap((event) => (event.type === 'epoch' ? [event.train.loss!] : []))
    expect(losses.at(-1)).toBeLessThan(0.95 * losses[0]!)
    const { bundle } = await findBundle(folder.services, result.run)
    expect(bundle.manifest.lineage.config.from).toMatchObject({ head: { hidden: [], dropout: 0 } })
    expect((bundle.manifest.lineage.config.from as { sha256: string }).sha256).toMatch(/^[0-9a-f]{64}$/)

    const again = await train(folder.services, config(file, long))
    expect(again.events.find(({ type }) => type === 'base')).toMatchObject({ features: { found: true } })
    expect(again.result.scores.test).toEqual(result.scores.test)
  })

  it('gives the same model with features as without, and goes on after an interruption', async () => {
    const plain = await train(folder.services, config({ model: file, cacheFeatures: false }))
    expect(plain.events.find(({ type }) => type === 'base')).not.toHaveProperty('features')
    const controller = new AbortController()
    const stopped = await train(folder.services, config(file), { signal: controller.signal }, (event) => {
      if (event.type === 'step' && event.step === 4) controller.abort()
    })
    expect(stopped.result.state).toBe('interrupted')
    const resumed = await train(folder.services, config(file), { resume: stopped.result.run })
    expect(resumed.result.scores.test!.crossEntropy).toBeCloseTo(plain.result.scores.test!.crossEntropy!, 3)
  })

  it('takes the run itself, by --from too, and trains on with its head', async () => {
    const { events, result } = await train(folder.services, config({ model: first.run, head: 'keep' }))
    expect(events.find(({ type }) => type === 'base')).toMatchObject({ name: first.run })
    expect(result.scores.test!.accuracy).toBeGreaterThanOrEqual(first.scores.test!.accuracy! - 0.1)
    const other = await train(folder.services, folder.project({ train: quick }), { from: first.run })
    expect(other.events.find(({ type }) => type === 'base')).toMatchObject({ trained: 0 })
  })

  it('takes sizes from the base, and so does evaluation without a word in the configuration', async () => {
    const data = { source: 'photos', split: { validation: 0.2, test: 0.2 } }
    const { result } = await train(folder.services, config(file, { data }))
    const { report } = await evaluateModel(folder.services, folder.project({ data }), {
      model: result.run,
      split: 'test',
    })
    expect(report.kind === 'classification' && report.metrics.accuracy).toBe(result.scores.test!.accuracy)
    // What was not taken from a base must be said, as ever.
    await expect(
      evaluateModel(folder.services, folder.project({ data }), { model: first.run, split: 'test' }),
    ).rejects.toThrow(/takes pictures with height 12; the configuration makes them with 64/)
  })

  it('makes of the pictures what a file of another tool takes, whatever its input is called', async () => {
    for (const name of ['image', 'x']) {
      const g = new Emitter(table, new GraphBuilder('linear'))
      const x = g.builder.input(name, { dtype: 'float32', shape: ['N', 1, 12, 12] })
      const elements = Float32Array.from({ length: 144 * 8 }, (_, i) => Math.sin(i))
      const graph = g.builder.finish([
        g.matMul(g.op('Flatten', [x]), g.constant(float32([144, 8], elements), 'weight')),
      ])
      await writeFile(join(folder.root, `${name}.onnx`), writeModel(graph).model)
      const { events } = await train(folder.services, config({ model: `${name}.onnx`, output: graph.outputs[0]!.name }))
      expect((events.find(({ type }) => type === 'base') as { difference: number }).difference).toBeLessThan(1e-5)
    }
  })

  it('puts normalisation back that was folded into the convolutions of the base', async () => {
    const more = { head: 'keep', restoreNormalization: true, batchNormalization: 'batch' }
    const { events, result } = await train(folder.services, config({ model: first.run, ...more }))
    const base = events.find(({ type }) => type === 'base') as { difference: number }
    expect(base.difference).toBeLessThan(1e-5)
    expect(
      [...(await weights(result.run)).keys()].filter((name) => name.endsWith('normalization.running_var')).length,
    ).toBe(1)
    // It begins where the file ended, and learns on from there.
    expect(result.scores.test!.crossEntropy).toBeLessThan(first.scores.test!.crossEntropy!)
  })

  it('unfreezes by epoch, at rates that fall with depth, and measures what the old task loses', async () => {
    const from = {
      ...{ model: file, learningRateFactor: 0.5, layerDecay: 0.5, oldData: 'photos' },
      unfreeze: [{ epoch: 2, train: 'all' }],
    }
    const { events, result } = await train(folder.services, config(from))
    const base = events.find(({ type }) => type === 'base') as { trained: number; parameters: number }
    expect(base.trained).toBe(base.parameters)
    const [before, after] = [await weights(first.run), await weights(result.run)]
    const kernel = [...before.keys()].find((name) => name.endsWith('conv2d/kernel'))!
    const moved = [...after].find(([name]) => name.endsWith(kernel))![1]
    expect(moved).not.toEqual(before.get(kernel))
    const { bundle } = await findBundle(folder.services, result.run)
    const old = bundle.manifest.metrics['old task']!
    expect(old.accuracyBefore).toBeCloseTo(first.scores.test!.accuracy!, 1)
    expect(old.forgotten).toBeCloseTo(old.accuracyBefore! - old.accuracyAfter!, 10)
  })
})

describe('what is forgotten', () => {
  const accuracyBefore = async (model: string, oldData = 'photos') => {
    const { result } = await train(folder.services, config({ model, oldData }, { train: { ...quick, epochs: 1 } }))
    return (await findBundle(folder.services, result.run)).bundle.manifest.metrics['old task']!.accuracyBefore!
  }
  it('nothing by a frozen base, also where its own head has the name of the new one', async () => {
    const strong = { train: { ...quick, epochs: 10 } }
    const base = await train(folder.services, config(first.run, strong))
    const weak = { seed: 9, train: { ...quick, epochs: 1, optimizer: { name: 'sgd', learningRate: 1e-5 } } }
    const { result } = await train(folder.services, config({ model: base.result.run, oldData: 'photos' }, weak))
    const { bundle } = await findBundle(folder.services, result.run)
    expect(bundle.manifest.metrics['old task']!.forgotten).toBe(0)
  })

  const labelled = async (name: string, labels: readonly string[]) => {
    await mkdir(join(folder.root, name, 'onnx'), { recursive: true })
    await copyFile(join(folder.root, file), join(folder.root, name, 'onnx/model.onnx'))
    await writeFile(join(folder.root, name, 'config.json'), JSON.stringify({ id2label: { ...labels } }))
  }

  it('goes by the names of the classes where the base has some, in whatever order they stand', async () => {
    const { labels } = (await findBundle(folder.services, first.run)).bundle.manifest
    const plain = await accuracyBefore(first.run)
    expect(plain).toBeCloseTo(first.scores.test!.accuracy!, 1)
    await labelled('named', labels)
    expect(await accuracyBefore('named')).toBe(plain)
    await labelled('reversed', [...labels].reverse())
    expect(await accuracyBefore('reversed')).not.toBe(plain)
  })

  it('is refused before training where the old data has other classes', async () => {
    await labelled('others', ['cat', 'dog', 'mouse'])
    const runs = (await folder.services.runs.list()).length
    await expect(accuracyBefore('others')).rejects.toThrow(
      /the old data has the class '.+', which .*others does not answer/,
    )
    await expect(accuracyBefore(first.run, 'nowhere')).rejects.toThrow(/nowhere/)
    expect(await folder.services.runs.list()).toHaveLength(runs)
  })
})

describe('what is refused', () => {
  it.each([
    [{ model: 'nowhere.onnx' }, {}, /there is no file .*nowhere.onnx/],
    [{ model: './nowhere' }, {}, /there is no model at .*nowhere: no quern.json and no config.json lie there/],
    [{ model: file, train: 'conv9d' }, {}, /from.train: no weight or layer of the model matches 'conv9d'/],
    [
      file,
      { data: { source: 'photos', image: { height: 14, width: 12, channels: 1 } } },
      /data.image.height is 14, .*base.onnx was exported for 12/,
    ],
    [{ model: 'notes', head: 'keep' }, {}, /no ONNX file/],
  ])('%j %j', async (from, more, message) => {
    await mkdir(join(folder.root, 'notes'), { recursive: true })
    await writeFile(join(folder.root, 'notes/config.json'), '{}')
    await expect(train(folder.services, config(from, more))).rejects.toThrow(message)
  })

  it('a base for a table, and a model of text for pictures', async () => {
    const table = { task: 'tabular-classification', data: { source: 'rows.csv', target: 'y' } }
    const project = resolveProject(table, { root: folder.root, what: 'quern.config.ts' })
    for (const choice of [{ from: file }, { adapter: 'lora' }]) {
      await expect(train(folder.services, project, choice)).rejects.toThrow(
        /tabular-classification does not start from another model/,
      )
    }
    await mkdir(join(folder.root, 'bert/onnx'), { recursive: true })
    await copyFile(join(folder.root, file), join(folder.root, 'bert/onnx/model.onnx'))
    await writeFile(join(folder.root, 'bert/config.json'), '{}')
    const tokens = { model: { type: 'WordPiece', vocab: { '[UNK]': 0, a: 1 } } }
    await writeFile(join(folder.root, 'bert/tokenizer.json'), JSON.stringify(tokens))
    await expect(train(folder.services, config('bert'))).rejects.toThrow(/bert is a model of text .*no task of text/)
    const inspected = await inspectModel(folder.services, join(folder.root, 'bert'))
    expect(inspected.tokenizer).toEqual({ kind: 'WordPiece', vocabulary: 2 })
    await writeFile(join(folder.root, 'bert/tokenizer.json'), '{"version": "1.0"}')
    await expect(train(folder.services, config('bert'))).rejects.toThrow(/tokenizer.json has no model.vocab/)
  })

  it('pictures of a size that the open axes of a base hide', async () => {
    const g = new Emitter(table, new GraphBuilder('open'))
    const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 1, 'H', 'W'] })
    const rows = g.op('Reshape', [x, g.integers([-1, 72])])
    const weight = g.constant(float32([72, 3], new Float32Array(216).fill(0.1)), 'weight')
    await writeFile(join(folder.root, 'open.onnx'), writeModel(g.builder.finish([g.matMul(rows, weight)])).model)
    await expect(train(folder.services, config('open.onnx'))).rejects.toThrow(
      /open.onnx makes 2 answers of one example \(image \[1, 1, 12, 12\]\)/,
    )
  })

  it('unknown settings, with the nearest', () => {
    expect(() => config({ model: file, trian: 'all' })).toThrow("unknown key 'from.trian'. Did you mean 'train'?")
    expect(() => config({ model: file, head: 'kept' })).toThrow(/head/)
  })
})
