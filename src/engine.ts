/**
 * The entry `quern/engine`: graphs, gradients, training steps and the runtime underneath, for research and for tools.
 *
 * @example
 * const g = new Emitter(table, new GraphBuilder('square'))
 * const x = g.builder.input('x', { dtype: 'float32', shape: [] })
 * const [dx] = backward(g, g.mul(x, x), [x])
 * const session = await createNodeBackend().createSession(writeModel(g.builder.finish([dx!])).model)
 * await session.run({ x: float32([], [3]) })   // 6
 */
export { backward } from './autodiff/backward.ts'
export { createRandom, type Random } from './core/random.ts'
export { float32, int64, numbersOf, type Tensor, tensor, tensorFromNumbers } from './core/tensor.ts'
export { GraphBuilder } from './graph/builder.ts'
export type { ContainerType, Graph, Node, TensorType, Value } from './graph/graph.ts'
export { printGraph } from './graph/print.ts'
export { validate } from './graph/validate.ts'
export { checkOperators } from './onnx/check.ts'
export { checkFinite } from './onnx/check-finite.ts'
export { type ReadModel, type ReadOptions, readModel } from './onnx/read.ts'
export { readTensor } from './onnx/read-tensor.ts'
export { type WriteOptions, type WrittenModel, writeModel } from './onnx/write.ts'
export { adaptiveAveragePool, adaptiveMaxPool } from './ops/adaptive-pool.ts'
export { Emitter, type Operand } from './ops/emitter.ts'
export { createTable, table } from './ops/index.ts'
export type { GradientRule, LowerRule, Op, OpTable, Sample } from './ops/op.ts'
export type { LbfgsOptions, Minimum } from './optim/lbfgs.ts'
export { type Evaluate, type FoldOptions, foldConstants } from './passes/fold.ts'
export { lower } from './passes/lower.ts'
export { dimensionNames, specialize } from './passes/specialize.ts'
export type { Backend, Device, Session, SessionOptions } from './runtime/backend.ts'
export { graphEvaluator } from './runtime/evaluate-graph.ts'
export { createNodeBackend } from './runtime/onnxruntime-node.ts'
export { type Inference, type InferenceOptions, openInference } from './train/inference.ts'
export { gradientKeeper, minimize } from './train/minimize.ts'
export type { ColumnSpec, JointNetwork, Network, Objective, ObjectiveContext, Order } from './train/network.ts'
export { createTrainingStep, type StepResult, type TrainingStep } from './train/step.ts'
export type { StepOptions } from './train/step-options.ts'
