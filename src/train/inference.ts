/**
 * A session that answers with the parameters as they are in memory, such as those of a training step while it trains: nothing is copied,
 * and what a step changes is seen by the next run.
 */
import { QuernError, suggestion } from '../core/errors.ts'
import type { StaticShape } from '../core/shape.ts'
import { type Tensor, zeros } from '../core/tensor.ts'
import { shapeOf } from '../graph/graph.ts'
import type { Layer } from '../nn/layer.ts'
import { trace } from '../nn/trace.ts'
import { writeModel } from '../onnx/write.ts'
import type { OpTable } from '../ops/op.ts'
import { optimizeInference } from '../passes/index.ts'
import type { Backend, SessionOptions } from '../runtime/backend.ts'
import type { ColumnSpec } from './network.ts'

export interface InferenceOptions {
  readonly model: Layer
  /** what stands in front of the model's parameters, where it is one of several; default: nothing */
  readonly name?: string
  readonly inputs: readonly ColumnSpec[]
  /** examples of a run */
  readonly count: number
  readonly backend: Backend
  readonly session?: SessionOptions
  readonly table: OpTable
}

/** Inputs and outputs `[count, ...]` are the same arrays at every run. */
export interface Inference {
  readonly inputs: Readonly<Record<string, Tensor>>
  /** 'output', or the names of the outputs of a model of several */
  readonly outputs: Readonly<Record<string, Tensor>>
  /** what the session reads: the given tensors themselves, by path within the model */
  readonly parameters: ReadonlyMap<string, Tensor>
  run(): Promise<void>
  release(): Promise<void>
}

/**
 * Opens a session on parameters by path, such as `step.parameters` (with `ema`, these are the averages).
 *
 * @throws QuernError 'missing' for a parameter that is not there
 * @example
 * const sampler = await openInference(step.parameters, { model: generator, name: 'generator', inputs: [{ name: 'x', dtype: 'float32', shape: [64] }],
 *   count: 60, backend: createNodeBackend(), table })
 * sampler.inputs.x.data.set(noise)
 * await sampler.run()          // sampler.outputs.output
 */
export async function openInference(
  parameters: ReadonlyMap<string, Tensor>,
  { model, name = '', inputs, count, backend, session, table }: InferenceOptions,
): Promise<Inference> {
  const typed = inputs.map((column) => ({
    name: column.name,
    type: { dtype: column.dtype, shape: [count, ...column.shape] },
  }))
  const traced = trace(model, typed, { table, training: false, name: 'inference' })
  const named = traced.outputs ?? new Map([['output', traced.output]])
  const { g } = traced
  // A copy behind each: an output of the model may be an input itself.
  const graph = optimizeInference(g.builder.finish([...named.values()].map((value) => g.op('Identity', [value]))))
  const used = new Map(
    traced.parameters.map(({ path }) => {
      const full = name === '' ? path : `${name}/${path}`
      const view = parameters.get(full)
      if (view) return [path, view] as const
      throw new QuernError('missing', `there is no parameter '${full}'. ${suggestion(full, parameters.keys())}`)
    }),
  )
  const given = Object.fromEntries(typed.map(({ name, type }) => [name, zeros(type.dtype, type.shape)]))
  const made = [...named.keys()].map((_, i) => zeros('float32', shapeOf(graph.outputs[i]!) as StaticShape))
  const outputs = Object.fromEntries([...named.keys()].map((output, i) => [output, made[i]!]))
  const opened = await backend.createSession(writeModel(graph).model, session)
  const results = Object.fromEntries(made.map((tensor, i) => [graph.outputs[i]!.name, tensor]))
  const bound = opened.bind({ ...given, ...Object.fromEntries(used) }, results)
  return { inputs: given, outputs, parameters: used, run: () => bound.run(), release: () => opened.release() }
}
