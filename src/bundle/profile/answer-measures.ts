/** An answer as numbers: of a classifier the class and how sure it is, of others the values of the first output. */
import { answersOf, type Manifest, numberNames, type TargetAnswer } from '../../contract/manifest.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import { type Measure, type Measures, noMeasures } from './measures.ts'

/** Values of an answer that are watched; longer ones (vectors) are not. */
const mostValues = 16

export function answerMeasures(manifest: Manifest): Measures {
  const { outputs, labels, preprocessing } = manifest
  const several = answersOf(manifest)
  if (several) return targetMeasures(several)
  const { name, shape } = outputs[0]!
  const sizes = shape.slice(1)
  if (!sizes.every((size): size is number => typeof size === 'number')) return noMeasures
  const width = sizes.reduce((product, size) => product * size, 1)
  const cells = (tensors: NamedTensors): Float32Array => tensors[name]!.data as Float32Array
  if (labels.length > 1 && width === labels.length) {
    return {
      list: [{ name: 'class', values: labels }, { name: 'confidence' }],
      read: (tensors, row, into) => readClass({ data: cells(tensors), row, width }, into, 0),
    }
  }
  if (width > mostValues) return noMeasures
  const own = Array.from({ length: width }, (_, i) => (width === 1 ? name : `${name}[${i}]`))
  const names = preprocessing.kind === 'table' ? numberNames(preprocessing, width) : own
  return {
    list: names.map((each) => ({ name: each })),
    read(tensors, row, into) {
      const data = cells(tensors)
      for (let i = 0; i < width; i++) into[i] = data[row * width + i]!
    },
  }
}

interface ClassCells {
  /** `[examples, width]` */
  readonly data: Float32Array
  readonly row: number
  readonly width: number
}

/** The place of the likeliest class and how likely it is, from `at` on. */
function readClass({ data, row, width }: ClassCells, into: Float64Array, at: number): void {
  const start = row * width
  let best = start
  for (let i = start + 1; i < start + width; i++) if (data[i]! > data[best]!) best = i
  into[at] = Number.isNaN(data[best]!) ? Number.NaN : best - start
  into[at + 1] = data[best]!
}

/** Of each target its class and how sure it is, or its number. */
function targetMeasures(answers: readonly TargetAnswer[]): Measures {
  return {
    list: answers.flatMap(({ target, labels }): Measure[] =>
      labels.length > 0 ? [{ name: target, values: labels }, { name: `${target} confidence` }] : [{ name: target }],
    ),
    read(tensors, row, into) {
      let at = 0
      for (const { output, labels } of answers) {
        const data = tensors[output]!.data as Float32Array
        if (labels.length > 0) {
          readClass({ data, row, width: labels.length }, into, at)
          at += 2
        } else into[at++] = data[row]!
      }
    },
  }
}
