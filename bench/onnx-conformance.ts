/** ONNX' own test models through reader, shape inference, writer and runtime. What "passes" means stands in docs/conformance.md. */
import { writeFileSync } from 'node:fs'
import { QuernError } from '../src/core/errors.ts'
import { createNodeBackend } from '../src/runtime/onnxruntime-node.ts'
import { root, versions } from './machine.ts'
import { readTestModel, testDataFolder, testModelNames } from './onnx-conformance-data.ts'
import { judgeModel, type Verdict } from './onnx-conformance-judge.ts'
import { conformancePage, shareThatPasses } from './onnx-conformance-page.ts'
import type { BenchRecord } from './record.ts'
import { rounded } from './statistics.ts'

export const onnxConformance: BenchRecord = {
  name: 'onnx-conformance',
  title: "ONNX' own test models, read, inferred, written and run",
  takes: '20 seconds',
  needs: [],
  builds: false,
  options: {
    page: { default: false, summary: 'write docs/conformance.md' },
    only: { default: '', summary: 'models whose names hold this text' },
  },
  async run({ flag, text, progress }) {
    const folder = await testDataFolder()
    const names = testModelNames(folder).filter((name) => name.includes(text('only')))
    if (names.length === 0) throw new QuernError('config', `no test model has '${text('only')}' in its name`)
    const backend = createNodeBackend({ threads: 1 })
    const verdicts: Verdict[] = []
    for (const name of names) {
      const verdict = await judgeModel(await readTestModel(folder, name), backend)
      if (verdict.status !== 'passes') progress(`${verdict.status} ${name}: ${verdict.reason}`)
      verdicts.push(verdict)
    }
    if (flag('page')) {
      if (text('only') !== '') throw new QuernError('config', 'the page holds all models: leave out --only')
      writeFileSync(`${root}/docs/conformance.md`, conformancePage({ verdicts, runtime: versions().onnxruntime! }))
      progress('wrote docs/conformance.md')
    }
    const count = (status: Verdict['status']): number => verdicts.filter((verdict) => verdict.status === status).length
    return {
      metric: 'share that passes of the models which the runtime itself brings to the expected output',
      value: rounded(shareThatPasses(verdicts)),
      floor: 0.97,
      models: names.length,
      passes: count('passes'),
      fails: count('fails'),
      apart: count('apart'),
      knownOperators: verdicts.filter(({ known }) => known).length,
      fullyTyped: verdicts.filter(({ typed }) => typed).length,
    }
  },
}
