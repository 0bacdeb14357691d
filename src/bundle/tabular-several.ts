/** Bundles of several targets: each target is an output of its own, a probability for each of its classes or a number. */
import type { Manifest, TargetAnswer } from '../contract/manifest.ts'
import { targetsOf } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import type { NamedTensors } from '../runtime/backend.ts'
import { bestClasses } from './classes.ts'
import type { Answer } from './task-pipeline.ts'

/** Throws `input` where targets, classes and outputs do not fit each other. */
export function checkAnswers(answers: readonly TargetAnswer[], manifest: Manifest, what: string): void {
  const wrong = (message: string): QuernError => new QuernError('input', `${what}: quern.json: ${message}`)
  const { preprocessing, outputs } = manifest
  const targets = preprocessing.kind === 'table' ? targetsOf(preprocessing.target) : []
  const named = answers.map(({ target }) => target)
  if (named.join('\n') !== targets.join('\n')) {
    throw wrong(`'answers' must be of the targets ${targets.join(', ')}, found ${named.join(', ')}`)
  }
  for (const { target, output, labels } of answers) {
    const port = outputs.find(({ name }) => name === output)
    const width = Math.max(1, labels.length)
    if (labels.length !== 1 && port?.dtype === 'float32' && port.shape.length === 2 && port.shape[1] === width) continue
    const found = port ? `${port.dtype} ${formatShape(port.shape)}` : 'none'
    throw wrong(
      `the target '${target}' with ${labels.length} classes needs the output '${output}' as float32 [batch, ${width}], found ${found}`,
    )
  }
}

/** Of each target in turn its best classes, or its number. */
export function targetAnswers(
  answers: readonly TargetAnswer[],
  { outputs, row, topK }: { readonly outputs: NamedTensors; readonly row: number; readonly topK: number },
  { name }: Pick<Manifest, 'name'>,
): Answer[] {
  return answers.flatMap(({ target, output, labels }): Answer[] => {
    const data = outputs[output]!.data as Float32Array
    if (labels.length === 0) return [{ target, value: finite(data[row]!, name) }]
    return bestClasses(data, row, { labels, name }, topK).map((best) => ({ target, ...best }))
  })
}

/** A number that is one. Throws `numeric`. */
export function finite(value: number, model: string): number {
  if (Number.isFinite(value)) return value
  throw new QuernError('numeric', `model '${model}' answered ${value}`, {
    hint: 'Its parameters are not finite, or a value of the row is far beyond those of training.',
  })
}
