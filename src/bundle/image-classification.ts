/** Pictures in, labels with probabilities out. */
import type { Manifest } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { imageForm } from '../data/image-decoder.ts'
import type { Prediction, TaskPipeline } from './task-pipeline.ts'

export const imageClassification: TaskPipeline = {
  task: 'image-classification',

  check(manifest, what) {
    const { inputs, outputs, labels, preprocessing } = manifest
    const { channels, height, width } = imageForm(preprocessing)
    const [input, output] = [inputs[0]!, outputs[0]!]
    const expect = (holds: boolean, message: string): void => {
      if (!holds) throw new QuernError('input', `${what}: quern.json: ${message}`)
    }
    expect(inputs.length === 1, `image-classification takes 1 input, found ${inputs.length}`)
    expect(input.dtype === 'uint8', `input '${input.name}' must be uint8, found ${input.dtype}`)
    const pixels = `${channels},${height},${width}`
    expect(
      input.shape.slice(1).join() === pixels,
      `input '${input.name}' must be [batch, ${channels}, ${height}, ${width}] as 'preprocessing' says, found ${formatShape(input.shape)}`,
    )
    expect(output.dtype === 'float32', `output '${output.name}' must be float32, found ${output.dtype}`)
    expect(
      output.shape.length === 2 && output.shape[1] === labels.length,
      `output '${output.name}' must be [batch, ${labels.length}] for ${labels.length} labels, found ${formatShape(output.shape)}`,
    )
  },

  async prepare(input, { manifest, images }) {
    if (!images) {
      throw new QuernError('unsupported', 'this pipeline has no decoder for pictures', {
        hint: 'Give createPipeline an ImageDecoder, or the pixels as a tensor.',
      })
    }
    const { channels, height, width } = manifest.preprocessing
    const { pixels } = await images.decode(input, manifest.preprocessing)
    return { dtype: 'uint8', shape: [1, channels, height, width], data: pixels }
  },

  answers(output, row, manifest, topK) {
    return best(output.data as Float32Array, row * manifest.labels.length, manifest, topK)
  },
}

/** The `count` highest scores; of equal ones the earlier label comes first. Insertion: one pass, and count is small. */
function best(scores: Float32Array, start: number, { labels, name }: Manifest, count: number): Prediction[] {
  const size = Math.min(count, labels.length)
  const places: number[] = []
  for (let i = 0; i < labels.length; i++) {
    const score = scores[start + i]!
    if (!Number.isFinite(score)) {
      throw new QuernError('numeric', `model '${name}' answered ${score} for the label '${labels[i]}'`, {
        hint: 'Its parameters are not finite: train it again.',
      })
    }
    let place = places.length
    while (place > 0 && score > scores[start + places[place - 1]!]!) place--
    if (place >= size) continue
    places.splice(place, 0, i)
    if (places.length > size) places.pop()
  }
  return places.map((i) => ({ label: labels[i]!, score: scores[start + i]! }))
}
