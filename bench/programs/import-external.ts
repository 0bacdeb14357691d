/**
 * Opens a model with external data as `quern train --from` does, and compares it with its untouched file, in a process of its own.
 * usage: import-external FOLDER write MEGABYTES | FOLDER open | FOLDER compare; prints one JSON line.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { largeWeights, openBase } from '../../src/actions/base-model.ts'
import { verifyStart } from '../../src/actions/start-from.ts'
import { float32 } from '../../src/core/tensor.ts'
import { GraphBuilder } from '../../src/graph/builder.ts'
import type { Value } from '../../src/graph/graph.ts'
import { importedModel } from '../../src/nn/index.ts'
import { writeModel } from '../../src/onnx/write.ts'
import { Emitter } from '../../src/ops/emitter.ts'
import { table } from '../../src/ops/index.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createFileBlobs } from '../../src/store/file-blobs.ts'
import { createRunStore } from '../../src/store/file-runs.ts'

const [folder = '', work = '', size = '500'] = process.argv.slice(2)

/** A tenth of the bytes in convolutions of 512 channels, the rest in products of width 2048, of random weights. */
function writeLarge(megabytes: number): void {
  const g = new Emitter(table, new GraphBuilder('large'))
  let state = 1
  const weight = (name: string, shape: readonly number[]): Value => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1))
    for (let i = 0; i < data.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      data[i] = (state / 2 ** 31) * 0.05
    }
    return g.constant(float32(shape, data), name)
  }
  const picture = g.builder.input('picture', { dtype: 'float32', shape: ['N', 512, 4, 4] })
  const convolutions = Math.round((megabytes * 1e5) / (4 * 512 * 512 * 9))
  const products = Math.round((megabytes * 9e5) / (4 * 2048 * 2048))
  let x = picture
  for (let i = 0; i < convolutions; i++) {
    x = g.relu(g.op('Conv', [x, weight(`conv.${i}.weight`, [512, 512, 3, 3])], { pads: [1, 1, 1, 1] }))
  }
  x = g.matMul(g.op('Flatten', [g.op('GlobalAveragePool', [x])]), weight('first.weight', [512, 2048]))
  for (let i = 0; i < products; i++) x = g.relu(g.matMul(x, weight(`dense.${i}.weight`, [2048, 2048])))
  const { model, external } = writeModel(g.builder.finish([x]), { externalData: { location: 'model.onnx.data' } })
  writeFileSync(`${folder}/model.onnx`, model)
  for (const [i, chunk] of external!.chunks.entries()) {
    writeFileSync(`${folder}/model.onnx.data`, chunk, i === 0 ? {} : { flag: 'a' })
  }
  console.log(JSON.stringify({ bytes: model.length + external!.byteLength }))
}

async function open(): Promise<void> {
  const services = {
    ...{ backend: createNodeBackend({ threads: 2 }), table, folder: createFileBlobs },
    runs: createRunStore(createFileBlobs(`${folder}/runs`), Date),
  }
  const begun = performance.now()
  const isCompared = work === 'compare'
  const base = await openBase(services, `${folder}/model.onnx`, isCompared ? { probeFrom: largeWeights } : {})
  if (isCompared) {
    const start = { base: importedModel(base.graph, { train: { last: 1 } }), prepare: undefined }
    await verifyStart(services, base, { start, examples: undefined, parameters: new Map() })
  }
  const seconds = (performance.now() - begun) / 1000
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))
  console.log(JSON.stringify({ seconds, peak: Number(peak?.[1] ?? process.resourceUsage().maxRSS) * 1024 }))
}

if (work === 'write') writeLarge(Number(size))
else await open()
