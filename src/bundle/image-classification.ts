/** Pictures in, labels with probabilities out. */
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import type { Tensor } from '../core/tensor.ts'
import { imageForm } from '../data/image-decoder.ts'
import { checkInputs } from './check-tensors.ts'
import { bestClasses } from './classes.ts'
import { imageCard, imagePreprocessing } from './image-card.ts'
import type { PrepareContext, TaskPipeline } from './task-pipeline.ts'

export const imageClassification: TaskPipeline = {
  task: 'image-classification',

  check(manifest, what) {
    const { inputs, outputs, labels } = manifest
    const { channels, height, width } = imageForm(imagePreprocessing(manifest, what))
    const [input, output] = [inputs[0]!, outputs[0]!]
    const expect = (holds: boolean, message: string): void => {
      if (!holds) throw new QuernError('input', `${what}: quern.json: ${message}`)
    }
    expect(labels.length > 0, `image-classification needs labels, found none`)
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

  async prepare(input, context) {
    const { manifest, images } = context
    const { name } = manifest.inputs[0]!
    if (!(input instanceof Uint8Array)) return { [name]: tensorOf(input, context) }
    if (!images) {
      throw new QuernError('unsupported', 'this pipeline has no decoder for pictures', {
        hint: 'Give createPipeline an ImageDecoder, or the pixels as a tensor.',
      })
    }
    const form = imagePreprocessing(manifest, 'the bundle')
    const { channels, height, width } = form
    const { pixels } = await images.decode(input, form)
    return { [name]: { dtype: 'uint8', shape: [1, channels, height, width], data: pixels } }
  },

  answers(outputs, row, manifest, topK) {
    return bestClasses(outputs[manifest.outputs[0]!.name]!.data as Float32Array, row, manifest, topK)
  },

  card: imageCard,
}

/** One picture that is decoded already, with or without a batch axis of 1, checked. */
function tensorOf(input: object, { manifest }: PrepareContext): Tensor {
  const port = manifest.inputs[0]!
  const given = input as Tensor
  if (!Array.isArray(given.shape)) {
    throw new QuernError('input', `model '${manifest.name}' takes pictures, received a row of named values`)
  }
  const isBare = given.shape.length === port.shape.length - 1
  const row = isBare ? { ...given, shape: [1, ...given.shape] } : given
  checkInputs({ [port.name]: row }, manifest)
  if (row.shape[0] === 1) return row
  throw new QuernError('input', `expected one example, received ${row.shape[0]}`, {
    hint: 'Give each example as a tensor of its own, or use infer for whole batches.',
  })
}
