/** A recurrence as one Scan, whose body is a small graph of its own. */
import { GraphBuilder } from '../graph/builder.ts'
import { shapeOf, type TensorType, type Value } from '../graph/graph.ts'
import { Emitter } from '../ops/emitter.ts'

/** What a turn makes of the states and of its part of the sequences. */
interface Turn {
  /** as many as there were, of the same shapes */
  readonly states: readonly Value[]
  /** stacked over time in the order of time, whichever end the recurrence starts from */
  readonly yields: readonly Value[]
}

interface Recurrence {
  /** unique in the graph: what the body computes is named after it */
  readonly name: string
  readonly states: readonly Value[]
  /** `[time, ...]` each */
  readonly sequences: readonly Value[]
  /** from the last step to the first */
  readonly backwards: boolean
  readonly turn: (g: Emitter, states: readonly Value[], parts: readonly Value[]) => Turn
}

/**
 * Writes the recurrence; the body may read any value of the outer graph. A step unrolled over 128 turns runs no faster than this and took 1.1 s
 * instead of 0.03 s to build (LSTM, 256 units).
 */
export function scanOverTime(g: Emitter, { name, states, sequences, backwards, turn }: Recurrence): Turn {
  const time = shapeOf(sequences[0]!)[0]!
  const inner = new Emitter(g.table, new BodyBuilder(name))
  const part = ({ type }: Value): TensorType => ({ dtype: type!.dtype, shape: type!.shape!.slice(1) })
  const input = (type: TensorType, i: number) => inner.builder.input(`${name}:in${i}`, type)
  const inputs = [...states.map(({ type }) => type!), ...sequences.map(part)].map(input)
  const made = inner.builder.within(name, () => {
    const made = turn(inner, inputs.slice(0, states.length), inputs.slice(states.length))
    return distinct(inner, [...made.states, ...made.yields])
  })
  const flags = (count: number) => new Array<number>(count).fill(backwards ? 1 : 0)
  const yields = made.slice(states.length)
  const stacked = yields.map(({ type }) => ({ dtype: type!.dtype, shape: [time, ...type!.shape!] }))
  const outputs = g.builder.node({
    op: 'Scan',
    inputs: [...states, ...sequences],
    outputs: [...states.map(({ type }) => type!), ...stacked],
    attributes: {
      body: { kind: 'graph', value: inner.builder.finish(made) },
      num_scan_inputs: { kind: 'int', value: sequences.length },
      scan_input_directions: { kind: 'ints', value: flags(sequences.length) },
      scan_output_directions: { kind: 'ints', value: flags(yields.length) },
    },
  }) as readonly Value[]
  return { states: outputs.slice(0, states.length), yields: outputs.slice(states.length) }
}

/** Constants of a body are named after it too: a name of the outer graph must not mean something else inside. */
class BodyBuilder extends GraphBuilder {
  override constant(...[tensor, name = 'constant']: Parameters<GraphBuilder['constant']>): Value {
    return super.constant(tensor, `${this.name}/${name}`)
  }
}

/** Every output of a body needs a name of its own, and none may be an input. */
function distinct(g: Emitter, values: readonly Value[]): Value[] {
  const seen = new Set<Value>(g.builder.inputs)
  return values.map((value) => {
    const own = seen.has(value) ? g.op('Identity', [value]) : value
    seen.add(own)
    return own
  })
}
