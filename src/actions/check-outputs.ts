/** Whether a network answers what its task asks, before anything is trained. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { shapeOf } from '../graph/graph.ts'
import { trace } from '../nn/index.ts'
import type { OpTable } from '../ops/op.ts'
import type { TaskNetwork } from '../tasks/task.ts'

/** @throws QuernError 'config' where a model of the user's own ends in another number of outputs than the task needs, 'input' where it makes several answers of one example */
export function checkOutputs({ model, inputs, outputs }: TaskNetwork, table: OpTable, base: string | undefined): void {
  const one = inputs.map(({ name, dtype, shape }) => ({ name, type: { dtype, shape: [1, ...shape] } }))
  const traced = trace(model, one, { table, training: false })
  for (const { name, shape: expected, what, hint } of outputs) {
    const shape = shapeOf(traced.outputs?.get(name) ?? traced.output)
    if (typeof shape[0] === 'number' && shape[0] !== 1) {
      const given = inputs.map((input) => `${input.name} ${formatShape([1, ...input.shape])}`).join(', ')
      throw new QuernError('input', `${base ?? 'the model'} makes ${shape[0]} answers of one example (${given})`, {
        hint: 'Axes that it leaves open hide the sizes that it was made for: give data of these, such as by data.image.height and width.',
      })
    }
    if (shape.slice(1).join() === expected.join()) continue
    throw new QuernError(
      'config',
      `the model must answer ${formatShape(['batch', ...expected])}, ${what}; its output is ${formatShape(['batch', ...shape.slice(1)])}`,
      { hint },
    )
  }
}
