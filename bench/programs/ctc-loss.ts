/**
 * CTC of given scores with its gradient, the counterpart of peers/torch_ctc_loss.py.
 * usage: ctc-loss - BATCH,STEPS,LABELS,CLASSES RUNS THREADS [PROFILE_PREFIX]
 */
import { backward } from '../../src/autodiff/backward.ts'
import { float32, tensor } from '../../src/core/tensor.ts'
import { GraphBuilder } from '../../src/graph/builder.ts'
import * as nn from '../../src/nn/index.ts'
import { writeModel } from '../../src/onnx/write.ts'
import { Emitter } from '../../src/ops/emitter.ts'
import { table } from '../../src/ops/index.ts'
import { optimizeForward, optimizeStep } from '../../src/passes/index.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { measureSteps, stepArguments } from './measured-steps.ts'

const { sizes, steps, session } = stepArguments()
const [batch = 32, time = 100, most = 20, classes = 100] = sizes

/** Numbers that both sides can make: sin of 78.233 (i + 1). */
const scores = float32(
  [batch, time, classes],
  Float32Array.from({ length: batch * time * classes }, (_, i) => Math.sin(78.233 * (i + 1))),
)
const labels = tensor(
  'int32',
  [batch, most],
  Int32Array.from({ length: batch * most }, (_, i) => 1 + ((i * 37) % (classes - 1))),
)

const written = new Emitter(table, new GraphBuilder('ctc'))
const [p, t] = [written.builder.input('p', scores), written.builder.input('t', labels)]
const forward = optimizeForward(written.builder.finish([nn.ctc().apply(written, p, t)]), table)
const g = new Emitter(table, GraphBuilder.resume(forward))
const [loss] = forward.outputs
const graph = optimizeStep(g.builder.finish([loss!, ...backward(g, loss!, [forward.inputs[0]!])]), table)
const made = await createNodeBackend({ threads: session.threads ?? 2 }).createSession(writeModel(graph).model, session)
const run = async (): Promise<number> => {
  const results = await made.run({ p: scores, t: labels })
  return (results[graph.outputs[0]!.name]!.data as Float32Array)[0]!
}
await measureSteps(run, steps, { trainableCount: 0, release: () => made.release() })
