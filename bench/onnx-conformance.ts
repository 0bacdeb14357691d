/** ONNX' own test models through reader, shape inference, writer and runtime. */
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { readTestModel, requireTestData, testModelNames } from './onnx-conformance-data.ts'
import { judgeModel, type Verdict } from './onnx-conformance-judge.ts'
import type { BenchRecord } from './record.ts'

export const onnxConformance: BenchRecord = {
  name: 'onnx-conformance',
  title: "ONNX' own test models, read, inferred, written and run",
  takes: '1 minute',
  needs: [],
  builds: false,
  options: {
    page: { default: false, summary: 'write docs/conformance.md' },
    only: { default: '', summary: 'models whose names hold this text' },
  },
  async run({ text, progress }) {
    const folder = await requireTestData(progress)
    const names = testModelNames(folder).filter((name) => name.includes(text('only')))
    const backend = createNodeBackend({ threads: 1 })
    const verdicts: Verdict[] = []
    for (const name of names) {
      const verdict = await judgeModel(await readTestModel(folder, name), backend)
      if (verdict.status !== 'passes') progress(`${verdict.status} ${name}: ${verdict.reason}`)
      verdicts.push(verdict)
    }
    const count = (status: Verdict['status']) => verdicts.filter((verdict) => verdict.status === status).length
    const [passes, fails, apart] = [count('passes'), count('fails'), count('apart')]
    return {
      metric: 'share of the models that pass, of those that the runtime itself brings to the expected output',
      value: passes / (passes + fails),
      floor: 0.97,
      models: names.length,
      passes,
      fails,
      apart,
      known: verdicts.filter(({ known }) => known).length,
      typed: verdicts.filter(({ typed }) => typed).length,
    }
  },
}
