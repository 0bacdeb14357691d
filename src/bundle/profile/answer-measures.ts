/** An answer as numbers: of a classifier the class and how sure it is, of others the values of the first output. */
import { type Manifest, numberNames } from '../../contract/manifest.ts'
import type { NamedTensors } from '../../runtime/backend.ts'
import { type Measures, noMeasures } from './measures.ts'

/** Values of an answer that are watched; longer ones (vectors) are not. */
const mostValues = 16

export function answerMeasures({ outputs, labels, preprocessing }: Manifest): Measures {
  const { name, shape } = outputs[0]!
  const sizes = shape.slice(1)
  if (!sizes.every((size): size is number => typeof size === 'number')) return noMeasures
  const width = sizes.reduce((product, size) => product * size, 1)
  const cells = (tensors: NamedTensors): Float32Array => tensors[name]!.data as Float32Array
  if (labels.length > 1 && width === labels.length) {
    return {
      list: [{ name: 'class', values: labels }, { name: 'confidence' }],
      read(tensors, row, into) {
        const data = cells(tensors)
        const start = row * width
        let best = start
        for (let i = start + 1; i < start + width; i++) if (data[i]! > data[best]!) best = i
        const isNumber = !Number.isNaN(data[best]!)
        into[0] = isNumber ? best - start : Number.NaN
        into[1] = data[best]!
      },
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
