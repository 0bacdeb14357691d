/** Adapters over one loaded base, each a model of its own name, in real threads behind a real socket. */
import { afterEach, describe, expect, test } from 'vitest'
import { adaptGraph } from '../src/adapters/adapt-graph.ts'
import { type Adapter, adapterFrom, type LoraOptions, lora, mergeAdapter, writePeft } from '../src/adapters/index.ts'
import { openBundle } from '../src/bundle/index.ts'
import { sha256OfText } from '../src/core/hash.ts'
import type { StaticShape } from '../src/core/shape.ts'
import { tensor } from '../src/core/tensor.ts'
import type { Graph } from '../src/graph/graph.ts'
import { readModel } from '../src/onnx/read.ts'
import { writeModel } from '../src/onnx/write.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { adapterEntries, type ServedAdapter } from '../src/serve/adapter-entries.ts'
import { contentOf } from '../src/serve/sync-catalog.ts'
import { inferBody, type LiveServer, liveServer } from './live-server.ts'
import { noise } from './run-layer.ts'
import { labels, sampleFiles, samplePixels } from './sample-bundle.ts'

const bundle = await openBundle(await sampleFiles(), 'tiny')
const { graph } = await readModel(bundle.model)

async function made(salt: number, options: LoraOptions): Promise<Adapter> {
  const method = lora(options)
  const { parameters } = adaptGraph(graph, method)
  const numbers = parameters.map(
    ({ path, spec }, i) => [path, noise(salt + i, spec.shape as StaticShape, 0.4)] as const,
  )
  return adapterFrom(graph, method, new Map(numbers))
}
/** A convolution and a product; another rank and scale, and the last layer. */
const alice = await made(10, { rank: 2, alpha: 4, targets: ['conv2d', 'dense'] })
const bob = await made(30, { rank: 3, rankStabilized: true, targets: ['dense_1'] })

const served = async (name: string, adapter: Adapter): Promise<ServedAdapter> => {
  const files = writePeft(graph, adapter)
  return { name, files, sha256: await sha256OfText(files['adapter_model.safetensors'].join()) }
}
const both = [await served('alice', alice), await served('bob', bob)]

/** Probabilities of the pictures by a graph. */
async function answersOf(of: Graph, count: number): Promise<readonly number[]> {
  const session = await createNodeBackend({ threads: 1 }).createSession(writeModel(of).model)
  const results = await session.run({ pixels: tensor('uint8', [count, 1, 12, 12], samplePixels(count)) })
  await session.release()
  return [...(results.probabilities!.data as Float32Array)]
}

let live: LiveServer | undefined
afterEach(async () => {
  await live?.close()
  live = undefined
})

async function serving(adapters: readonly ServedAdapter[]) {
  live = await liveServer()
  const { engine, catalog, server } = live
  const loads: string[] = []
  const releases: string[] = []
  const counting: Pick<typeof engine, 'load' | 'sessionsOf'> = {
    sessionsOf: (bytes) => engine.sessionsOf(bytes),
    load: async (...given) => {
      loads.push(given[0])
      const model = await engine.load(...given)
      return {
        inputs: model.inputs,
        outputs: model.outputs,
        queue: model.queue,
        run: model.run,
        release: async () => {
          releases.push(given[0])
          await model.release()
        },
      }
    },
  }
  const entries = adapterEntries({
    ...{ name: 'base', version: '1', manifest: bundle.manifest, engine: counting, images: undefined },
    open: async () => bundle,
    batching: { maxRows: 32, maxDelayMilliseconds: 20 },
    adapters,
  })
  for (const entry of entries) catalog.add(entry)
  const ask = async (name: string, count: number): Promise<readonly number[]> => {
    const response = await fetch(`${server.url}/v2/models/${name}/infer`, {
      method: 'POST',
      body: inferBody(count, count),
    })
    const body = (await response.json()) as { outputs: [{ data: number[] }]; error?: unknown }
    expect(response.status, JSON.stringify(body)).toBe(200)
    return body.outputs[0].data
  }
  return { entries, ask, catalog, loads, releases }
}

function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length)
  for (const [i, y] of expected.entries()) expect(Math.abs(found[i]! - y)).toBeLessThan(2e-6)
}

describe('adapters over one base', () => {
  test('answer as their merged models do, in batches of different ones, by one model of the engine', async () => {
    const { ask, loads, releases, catalog } = await serving(both)
    const graphs: Readonly<Record<string, Graph>> = {
      base: graph,
      alice: await mergeAdapter(graph, alice),
      bob: await mergeAdapter(graph, bob),
    }
    const expected = new Map<string, readonly number[]>()
    for (const [name, of] of Object.entries(graphs)) {
      for (const count of [1, 3]) expected.set(`${name} ${count}`, await answersOf(of, count))
    }
    const first = (key: string) => expected.get(key)!.slice(0, labels.length)
    expect(Math.max(...first('alice 1').map((y, i) => Math.abs(y - first('base 1')[i]!)))).toBeGreaterThan(0.01)
    expect(Math.max(...first('bob 1').map((y, i) => Math.abs(y - first('base 1')[i]!)))).toBeGreaterThan(0.01)
    // At once, so that the batcher puts rows of all three side by side.
    const wanted = Array.from({ length: 8 }, () => [...expected.keys()]).flat()
    const answers = await Promise.all(wanted.map((key) => ask(key.split(' ')[0]!, Number(key.split(' ')[1]))))
    for (const [i, key] of wanted.entries()) expectClose(answers[i]!, expected.get(key)!)
    expect(loads).toHaveLength(1)
    expect(catalog.find('alice').manifest.inputs).toEqual(bundle.manifest.inputs)
    for (const name of ['base', 'alice']) catalog.remove(name, '1')
    expectClose(await ask('bob', 1), expected.get('bob 1')!)
    expect(releases).toHaveLength(0)
    catalog.remove('bob', '1')
    await expect.poll(() => releases.length).toBe(1)
  })

  test('another file under the same name is another model, for all that share the base', async () => {
    const { entries } = await serving(both)
    const { entries: again } = await serving(both)
    const { entries: moved } = await serving([
      both[0]!,
      await served('bob', await made(50, { rank: 3, targets: 'dense_1' })),
    ])
    const contents = (of: typeof entries) => of.map(contentOf)
    expect(contents(again)).toEqual(contents(entries))
    for (const [i, content] of contents(moved).entries()) expect(content).not.toBe(contents(entries)[i])
  })

  test.each([
    ['made for another base', async () => ({ ...alice, base: '0'.repeat(64) }), /made for another base/],
    [
      'decomposed',
      async () => made(10, { rank: 2, decomposed: true, targets: 'dense' }),
      /LoRA, neither decomposed nor \(IA\)3/,
    ],
  ])('one that is %s is not loaded, and the log says why', async (_, of, message) => {
    const { catalog } = await serving([await served('alice', await of())])
    await expect(catalog.load('alice')).rejects.toThrow("model 'alice' cannot be loaded now")
    expect(live!.lines.join()).toMatch(message)
  })
})
