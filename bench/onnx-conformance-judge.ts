/**
 * One model of ONNX' test data through reader, shape inference, writer and runtime, compared with the outputs that must come. The untouched
 * file runs beside it, so that a fault of the runtime is not taken for one of ours.
 */
import { type DType, isFloat } from '../src/core/dtype.ts'
import { messageOf } from '../src/core/errors.ts'
import { formatShape } from '../src/core/shape.ts'
import type { Tensor } from '../src/core/tensor.ts'
import type { Graph, TensorType } from '../src/graph/graph.ts'
import { printGraph } from '../src/graph/print.ts'
import { validate } from '../src/graph/validate.ts'
import { checkOperators } from '../src/onnx/check.ts'
import { type ReadModel, readModel } from '../src/onnx/read.ts'
import { readTensor } from '../src/onnx/read-tensor.ts'
import { writeModel } from '../src/onnx/write.ts'
import { table } from '../src/ops/index.ts'
import { foldConstants } from '../src/passes/fold.ts'
import { drawing } from '../src/passes/share.ts'
import type { Backend } from '../src/runtime/backend.ts'
import { graphEvaluator } from '../src/runtime/evaluate-graph.ts'
import type { TestModel } from './onnx-conformance-data.ts'
import { elementsOf } from './onnx-conformance-elements.ts'

/** 'apart': the runtime does not bring the untouched file to the expected output either; ours was read, inferred and written nevertheless. */
export type Status = 'passes' | 'fails' | 'apart'

export interface Verdict {
  readonly name: string
  readonly status: Status
  /** why it does not pass; '' when it does */
  readonly reason: string
  /** every operator has a record: it could be trained, or says why not */
  readonly known: boolean
  /** every output that is a tensor has an inferred type with every size */
  readonly typed: boolean
}

/** ONNX' own tolerances for its test data: |received - expected| <= 1e-7 + 1e-3 |expected|; everything but floating point is equal. */
const tolerance = { absolute: 1e-7, relative: 1e-3 }

type Outcome = { readonly outputs: readonly Tensor[] } | { readonly refused: string }

export async function judgeModel(test: TestModel, backend: Backend): Promise<Verdict> {
  const { name } = test
  let read: ReadModel
  let inferred: Graph
  try {
    read = await readModel(test.model)
    validate(read.graph)
    const bare = await readModel(test.model, { ignoreStatedTypes: true })
    inferred = await foldConstants(bare.graph, { table, evaluate: graphEvaluator(backend) })
  } catch (error) {
    return { name, status: 'fails', reason: `not read: ${messageOf(error)}`, known: false, typed: false }
  }
  const missing = unknownOperators(read.graph)
  const known = missing.length === 0 && isKnown(read)
  const typed = inferred.outputs.every(({ type, container }) => container ?? type?.shape?.every(isNumber))
  const verdict = (status: Status, reason: string): Verdict => ({ name, status, reason, known, typed })

  const written = await rewritten(read)
  if ('problem' in written) return verdict('fails', written.problem)
  const container = [...read.graph.inputs, ...read.graph.outputs].find((value) => value.container)
  if (container) {
    return verdict(
      'apart',
      `'${container.name}' is no tensor (${container.container!.kind}), which the runtime's JavaScript does not pass`,
    )
  }
  const expected = test.outputs.map((bytes, i) => asDeclared(readTensor(bytes).tensor, read.graph.outputs[i]?.type))
  const fed = test.inputs.map((bytes, i) => asDeclared(readTensor(bytes).tensor, read.graph.inputs[i]?.type))
  const wrong = wrongTypes(inferred, expected)
  const folded = writeModel(inferred, { opsets: read.opsets, extras: read.extras })
  const difference =
    within(differs(await outcome(written.model, fed, backend), expected), 'as read') ??
    within(differs(await outcome(folded.model, fed, backend), expected), 'with constants folded')
  if (difference === undefined && wrong === undefined) return verdict('passes', '')
  const excuse = differs(await outcome(test.model, fed, backend), expected)
  if (excuse !== undefined) return verdict('apart', drawnBy(read.graph) ?? excuse)
  return verdict(
    'fails',
    difference ?? (missing.length > 0 ? `no record of ${missing.join(', ')}` : `inference: ${wrong}`),
  )
}

const within = (problem: string | undefined, form: string) => problem && `${form}: ${problem}`

/** ONNX 1.12 stored bfloat16 as uint16: the bits are the same. */
function asDeclared(tensor: Tensor, declared: TensorType | undefined): Tensor {
  return declared?.dtype === 'bfloat16' && tensor.dtype === 'uint16' ? { ...tensor, dtype: 'bfloat16' } : tensor
}

/** Random numbers never equal those of the file. */
function drawnBy(graph: Graph): string | undefined {
  const node = graph.nodes.find(({ op }) => drawing.has(op))
  return node && `${node.op} draws random numbers`
}

const isNumber = (dim: number | string): boolean => typeof dim === 'number'

/** Operators without a record, sub-graphs included. */
function unknownOperators(graph: Graph): string[] {
  const found = graph.nodes.flatMap((node) => [
    ...(table.get(node.domain, node.op) ? [] : [node.domain === '' ? node.op : `${node.domain}.${node.op}`]),
    ...Object.values(node.attributes).flatMap((value) => (value.kind === 'graph' ? unknownOperators(value.value) : [])),
  ])
  return [...new Set(found)].sort()
}

/** Whether it could be trained as far as forms and attributes go. */
function isKnown({ graph, opsets }: ReadModel): boolean {
  try {
    checkOperators(graph, opsets, table)
    return true
  } catch {
    return false
  }
}

/** The file that the writer makes, which must read as the same graph again. */
async function rewritten(read: ReadModel): Promise<{ model: Uint8Array } | { problem: string }> {
  try {
    const { model } = writeModel(read.graph, { opsets: read.opsets, extras: read.extras })
    const again = await readModel(model)
    if (printGraph(again.graph) === printGraph(read.graph)) return { model }
    return { problem: 'what was written reads as another graph' }
  } catch (error) {
    return { problem: `not written: ${messageOf(error)}` }
  }
}

/** What inference says of an output that the expected one contradicts, or leaves open that has to be known. */
function wrongTypes(graph: Graph, expected: readonly Tensor[]): string | undefined {
  for (const [i, { dtype, shape }] of expected.entries()) {
    const output = graph.outputs[i]
    const type: TensorType | undefined = output?.type
    const said = type ? `${type.dtype}${type.shape ? formatShape(type.shape) : '[...]'}` : 'nothing'
    const fits =
      type?.dtype === dtype &&
      type.shape?.length === shape.length &&
      type.shape.every((dim, axis) => typeof dim === 'string' || dim === shape[axis])
    if (!fits) return `'${output?.name}' is ${dtype}${formatShape(shape)}, inferred ${said}`
  }
  return undefined
}

async function outcome(model: Uint8Array, fed: readonly Tensor[], backend: Backend): Promise<Outcome> {
  try {
    const session = await backend.createSession(model)
    try {
      const feeds = Object.fromEntries(session.inputs.map(({ name }, i) => [name, fed[i]!]))
      const results = await session.run(feeds)
      return { outputs: session.outputs.map(({ name }) => results[name]!) }
    } finally {
      await session.release()
    }
  } catch (error) {
    return { refused: messageOf(error).split('\n')[0]! }
  }
}

/** The first difference from what must come, in words. */
function differs(outcome: Outcome, expected: readonly Tensor[]): string | undefined {
  if ('refused' in outcome) return outcome.refused
  const { outputs } = outcome
  if (outputs.length < expected.length) return `it has ${outputs.length} outputs, expected ${expected.length}`
  for (const [i, wanted] of expected.entries()) {
    const came = outputs[i]!
    const types = [wanted, came].map(({ dtype, shape }) => `${dtype}${formatShape(shape)}`)
    if (types[0] !== types[1]) return `output ${i} is ${types[1]}, expected ${types[0]}`
    const place = firstDifference(wanted.dtype, elementsOf(wanted), elementsOf(came))
    if (place !== undefined) return `output ${i}: ${place}`
  }
  return undefined
}

function firstDifference(dtype: DType, wanted: ArrayLike<unknown>, came: ArrayLike<unknown>): string | undefined {
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [wanted[i], came[i]]
    if (Object.is(a, b) || a === b || isNear(dtype, a, b)) continue
    return `element ${i} is ${b}, expected ${a}`
  }
  return undefined
}

function isNear(dtype: DType, wanted: unknown, came: unknown): boolean {
  if (!isFloat(dtype) && dtype !== 'complex64' && dtype !== 'complex128') return false
  const [a, b] = [wanted as number, came as number]
  return Math.abs(a - b) <= tolerance.absolute + tolerance.relative * Math.abs(a)
}
