/** `quern train --from MODEL --adapter`: an adapter beside a frozen base, kept alone in PEFT's files and taken up by the model that is shipped. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportModel } from '../../src/actions/export.ts'
import { inspectModel } from '../../src/actions/inspect-model.ts'
import { findBundle, openModel } from '../../src/actions/open-model.ts'
import type { TrainProgress, TrainResult } from '../../src/actions/train.ts'
import { mergeAdapter, quantizeWeights, readPeft } from '../../src/adapters/index.ts'
import { GraphBuilder } from '../../src/graph/builder.ts'
import type { Graph } from '../../src/graph/graph.ts'
import { readModel } from '../../src/onnx/read.ts'
import { writeModel } from '../../src/onnx/write.ts'
import { Emitter } from '../../src/ops/emitter.ts'
import { table } from '../../src/ops/index.ts'
import { noise } from '../run-layer.ts'
import { createProjectFolder, type ProjectFolder, train } from './project-folder.ts'

let folder: ProjectFolder
let first: TrainResult
const file = 'base.onnx'
const quick = { epochs: 3, batchSize: 16, optimizer: { name: 'adam', learningRate: 0.01 } }

beforeAll(async () => {
  folder = await createProjectFolder()
  first = (await train(folder.services, folder.project({ model: 'cnn', train: { ...quick, epochs: 8 } }))).result
  await exportModel(folder.services, { model: first.run, target: 'onnx', out: join(folder.root, file) })
}, 60_000)
afterAll(() => folder.remove())

const config = (from: unknown, more: object = {}) => folder.project({ from, train: quick, ...more })
const graphOf = async (bytes: Uint8Array): Promise<Graph> => (await readModel(bytes)).graph
const bundleGraph = async (run: string): Promise<Graph> =>
  graphOf((await findBundle(folder.services, run)).bundle.model)
const constantsOf = ({ nodes }: Graph): ReadonlyMap<string, ArrayLike<unknown>> =>
  new Map(
    nodes
      .flatMap(({ inputs }) => inputs)
      .flatMap((value) => (value?.constant ? [[value.name, value.constant.data as ArrayLike<unknown>] as const] : [])),
  )
const isSame = (a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean =>
  a.length === b.length && Array.from(a).every((element, i) => element === b[i])

async function peftFiles({ adapter }: TrainResult): Promise<Record<string, Uint8Array>> {
  const read = (name: string) => readFile(join(folder.root, adapter!.folder, name))
  const names = ['adapter_config.json', 'adapter_model.safetensors']
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await read(name)] as const)))
}
const baseEvent = (events: readonly TrainProgress[]) => events.find(({ type }) => type === 'base')

describe('train with an adapter', () => {
  it('ships the base with the adapter in its weights, and keeps it alone for the file that it was made for', async () => {
    const adapter = { method: 'lora', rank: 2, alpha: 4, targets: 'dense' }
    const { events, result } = await train(folder.services, config({ model: file, head: 'keep', adapter }))
    // [800, 128] and rank 2.
    expect(baseEvent(events)).toMatchObject({ trained: 0, adapter: { kind: 'lora', parameters: 2 * 928, weights: 1 } })
    expect(result.adapter).toEqual({ folder: `.quern/runs/${result.run}/adapter`, merged: true })

    const base = await graphOf(await readFile(join(folder.root, file)))
    const read = await readPeft(base, await peftFiles(result))
    expect(read.method.config).toMatchObject({ rank: 2, alpha: 4 })
    const [shipped, merged] = [await bundleGraph(result.run), await mergeAdapter(base, read)]
    // No operator more than the base has, and the same numbers as the file that takes up the adapter by hand.
    expect(shipped.nodes.map(({ op }) => op).toSorted()).toEqual(base.nodes.map(({ op }) => op).toSorted())
    const [found, expected, before] = [shipped, merged, base].map(constantsOf)
    const weights = [...expected!.keys()].filter((name) => /kernel|bias/.test(name))
    expect(weights).toHaveLength(6)
    const ofShipped = (name: string) => [...found!].find(([path]) => path.endsWith(name))![1]
    expect(weights.filter((name) => !isSame(ofShipped(name), expected!.get(name)!))).toEqual([])
    expect(weights.filter((name) => !isSame(before!.get(name)!, expected!.get(name)!))).toEqual([
      'sequential/dense/kernel',
    ])
    expect((await inspectModel(folder.services, result.run)).layers).toHaveLength(3)
    const { pipeline } = await openModel(folder.services, result.run)
    expect(
      await pipeline.predict(await readFile(join(folder.root, 'photos', pipeline.manifest.labels[0]!, '0.png'))),
    ).toHaveLength(3)
    await pipeline.release()
  })

  it('trains DoRA beside a new head and weights that are trained themselves, is resumed, and measures what is forgotten', async () => {
    const from = {
      ...{ model: file, train: { last: 1 }, oldData: 'photos' },
      adapter: { method: 'lora', rank: 2, decomposed: true, dropout: 0.1 },
    }
    const strong = { train: { ...quick, optimizer: { name: 'adam', learningRate: 0.1 } } }
    const whole = await train(folder.services, config(from, strong))
    const controller = new AbortController()
    const stopped = await train(folder.services, config(from, strong), { signal: controller.signal }, (event) => {
      if (event.type === 'step' && event.step === 4) controller.abort()
    })
    expect(stopped.result).toMatchObject({ state: 'interrupted' })
    const { result } = await train(folder.services, config(from, strong), { resume: stopped.result.run })
    expect(result.scores).toEqual(whole.result.scores)
    // The dense layer is trained itself: the convolution alone has an adapter, of 9 and 32 by 2, and a length for each output.
    expect(baseEvent(whole.events)).toMatchObject({ adapter: { parameters: 2 * (9 + 32) + 32, weights: 1 } })
    const [again, once] = [await peftFiles(result), await peftFiles(whole.result)]
    expect(Object.keys(once).filter((name) => !isSame(once[name]!, again[name]!))).toEqual([])
    const old = (await findBundle(folder.services, result.run)).bundle.manifest.metrics['old task']!
    expect(old.accuracyAfter).not.toBe(old.accuracyBefore)
  })

  it('forgets by an adapter alone', async () => {
    const from = { model: file, oldData: 'photos', adapter: 'lora' }
    const data = {
      source: 'photos',
      labels: undefined,
      image: { height: 12, width: 12, channels: 1 },
      split: { validation: 0.2, test: 0.2 },
    }
    const strong = { data, train: { ...quick, optimizer: { name: 'adam', learningRate: 0.3 } } }
    const { result } = await train(folder.services, config(from, strong))
    const old = (await findBundle(folder.services, result.run)).bundle.manifest.metrics['old task']!
    expect(old.accuracyAfter).not.toBe(old.accuracyBefore)
  })

  it('takes the method from the command line, with the settings that the configuration has for it', async () => {
    const sizeOf = async (from: unknown, adapter: string) => {
      const { events, result } = await train(folder.services, config(from), { adapter })
      return { ...(baseEvent(events) as { adapter: object }).adapter, merged: result.adapter?.merged }
    }
    const ranked = { model: file, adapter: { method: 'lora', rank: 1, targets: 'dense' } }
    expect(await sizeOf(ranked, 'lora')).toEqual({ kind: 'lora', parameters: 928, weights: 1, merged: true })
    expect(await sizeOf(ranked, 'ia3')).toEqual({ kind: 'ia3', parameters: 32 + 128, weights: 2, merged: true })
  })

  it('keeps it beside weights that cannot take it up, and says so', async () => {
    const base = await graphOf(await readFile(join(folder.root, file)))
    const packed = quantizeWeights(base, { targets: 'dense', bits: 8, as: 'DequantizeLinear' })
    await writeFile(join(folder.root, 'int8.onnx'), writeModel(packed).model)
    const from = { model: 'int8.onnx', adapter: { method: 'lora', rank: 2, targets: 'dense' }, oldData: 'photos' }
    const { result } = await train(folder.services, config(from))
    expect(result.adapter?.merged).toMatch(/cannot be merged: the weight is int8/)
    const names = [...constantsOf(await bundleGraph(result.run)).keys()]
    expect(names.filter((name) => /lora_[AB]/.test(name))).toHaveLength(2)
    expect(result.scores.test!.accuracy).toBeGreaterThan(0)
    const { files } = await exportModel(folder.services, {
      model: result.run,
      target: 'adapter',
      out: join(folder.root, 'taken'),
    })
    expect(files.map(({ path }) => path.split('/').at(-1))).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
    ])
    // The same numbers as of the weights before they were packed.
    const taken = await readPeft(packed, await peftFiles(result))
    await expect(readPeft(base, await peftFiles(result))).rejects.toThrow(/made for another base/)
    expect((await readPeft(base, await peftFiles(result), { anyBase: true })).parameters.size).toBe(
      taken.parameters.size,
    )
  })

  it.each([
    [
      'a pattern that means nothing',
      { method: 'lora', targets: 'dens' },
      /lora.targets: no frozen weight matches 'dens'. Did you mean 'dense'\?/,
    ],
    [
      'a rank over the size',
      { method: 'lora', rank: 200, targets: 'dense' },
      /the rank 200 is over the size of 'sequential\/dense\/kernel', 800 x 128/,
    ],
  ])('refuses %s', async (_, adapter, message) => {
    await expect(train(folder.services, config({ model: file, adapter }))).rejects.toThrow(message)
  })

  it('refuses weights that no gradient reaches, and leaves them alone where none are named', async () => {
    const g = new Emitter(table, new GraphBuilder('ranks'))
    const weight = (salt: number, shape: readonly [number, number], name: string) =>
      g.constant(noise(salt, shape), name)
    const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 1, 12, 12] })
    const entered = g.matMul(g.op('Flatten', [x]), weight(1, [144, 16], 'enter.weight'))
    const places = g.builder.within('top', () => g.ops('TopK', [entered, g.integers([4])], {}, 2)[1]!)
    const later = g.relu(g.matMul(g.cast(places, 'float32'), weight(2, [4, 8], 'later.weight')))
    const graph = g.builder.finish([g.matMul(later, weight(3, [8, 3], 'out.weight'))])
    await writeFile(join(folder.root, 'ranks.onnx'), writeModel(graph).model)
    const from = (adapter: object) => config({ model: 'ranks.onnx', adapter: { method: 'lora', rank: 2, ...adapter } })
    await expect(train(folder.services, from({ targets: ['enter', 'later'] }))).rejects.toMatchObject({
      message: expect.stringMatching(
        /the adapter of 'enter.weight' cannot be trained: TopK at 'top.*', between it and/,
      ),
      hint: 'Adapters of these can: later.weight.',
    })
    const { events } = await train(folder.services, from({}))
    expect(baseEvent(events)).toMatchObject({ adapter: { parameters: 2 * (4 + 8), weights: 1 } })
  })

  it('refuses settings that are none, an adapter without a model, and one of a run that has none', async () => {
    expect(() => config({ model: file, adapter: { method: 'lora', rnk: 2 } })).toThrow(
      /'from.adapter.rnk'. Did you mean 'rank'/,
    )
    expect(() => config({ model: file, adapter: 'lore' })).toThrow(/from.adapter/)
    await expect(train(folder.services, folder.project(), { adapter: 'lora' })).rejects.toThrow(
      /none is named to start from/,
    )
    const out = join(folder.root, 'none')
    await expect(exportModel(folder.services, { model: first.run, target: 'adapter', out })).rejects.toThrow(
      `run ${first.run} trained no adapter`,
    )
  })
})
