/** The end of every classifier. */
import { type Layer, layer } from '../nn/index.ts'
import type { TaskOutput } from './task.ts'

/** Probabilities whatever a user's model ends with: scores get a softmax behind them. */
export const probabilities: Layer = layer({
  kind: 'probabilities',
  config: {},
  apply: ({ g }, [x]) => {
    const last = g.builder.nodes.findLast((node) => node.outputs[0] === x)
    return last?.op === 'Softmax' ? x! : g.softmax(x!)
  },
})

/** What a classifier must answer. */
export function classAnswer(labels: readonly string[]): Pick<TaskOutput, 'shape' | 'what' | 'hint'> {
  return {
    shape: [labels.length],
    what: 'one number for each class',
    hint: `End it with dense({ units: ${labels.length}, activation: 'softmax' }). Classes: ${labels.join(', ')}.`,
  }
}
