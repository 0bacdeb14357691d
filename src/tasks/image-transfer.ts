/** Image classification that starts from another model: what it takes, and pictures made into that inside of the graph. */
import type { PixelSection } from '../contract/from.ts'
import type { ImagePreprocessing } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { formatShape } from '../core/shape.ts'
import { float32 } from '../core/tensor.ts'
import { columnOf, exampleShape } from '../data/dataset.ts'
import type { TensorType } from '../graph/graph.ts'
import { type Layer, layer, transfer } from '../nn/index.ts'
import type { ImageClassificationConfig, ImageSection } from './image-classification.ts'
import type { TaskBase, TaskData, TaskStart } from './task.ts'

/** What a model takes for one picture; undefined for sizes that it leaves open. */
interface PictureInput {
  readonly layout: 'channels first' | 'channels last'
  readonly channels: number | undefined
  readonly height: number | undefined
  readonly width: number | undefined
  readonly dtype: string
}

/** @throws QuernError 'input' for a model that does not take one picture an example */
function pictureInput({ graph, name, tokenizer }: TaskBase): PictureInput {
  if (tokenizer) {
    throw new QuernError(
      'unsupported',
      `${name} is a model of text (it has a tokenizer.json): there is no task of text that could start from it yet`,
      { hint: 'From code it can be trained: fineTune(folder, { x: texts, y }) of quern/nn.' },
    )
  }
  const fail = (found: string): never => {
    throw new QuernError(
      'input',
      `${name} takes ${found}: image classification needs a model that takes one picture an example`,
      {
        hint: 'quern inspect MODEL shows what it takes. From code, quern/nn trains any model: importedModel and fit.',
      },
    )
  }
  const [input, second] = graph.inputs
  const type: TensorType | undefined = input?.type
  if (!type || second)
    return fail(`${graph.inputs.length} inputs (${graph.inputs.map((value) => value.name).join(', ')})`)
  const { shape, dtype } = type
  if (shape?.length !== 4) return fail(`${dtype} ${shape ? formatShape(shape) : 'of unknown shape'}`)
  const [, a, b, c] = shape.map((dim) => (typeof dim === 'number' ? dim : undefined))
  const isLast = (c === 1 || c === 3) && a !== 1 && a !== 3
  const [channels, height, width] = isLast ? [c, a, b] : [a, b, c]
  if (channels !== undefined && channels !== 1 && channels !== 3) return fail(`${dtype} ${formatShape(shape)}`)
  return { layout: isLast ? 'channels last' : 'channels first', channels, height, width, dtype }
}

/**
 * The image section with the base's own sizes where nothing is said.
 *
 * @throws QuernError 'config' for sizes that contradict the model
 */
export function adoptImage(config: ImageClassificationConfig, base: TaskBase): ImageSection {
  const given = config.data.image
  const input = pictureInput(base)
  for (const key of ['height', 'width', 'channels'] as const) {
    const [asked, fixed] = [given[key], input[key]]
    if (asked === undefined || fixed === undefined || asked === fixed) continue
    throw new QuernError('config', `data.image.${key} is ${asked}, ${base.name} was exported for ${fixed}`, {
      hint: `Leave data.image.${key} out, or export the model with an open axis.`,
    })
  }
  const own = base.image ?? {}
  const height = given.height ?? input.height ?? own.height
  const width = given.width ?? input.width ?? own.width
  const channels = (given.channels ?? input.channels ?? own.channels) as 1 | 3 | undefined
  return {
    ...given,
    ...(height === undefined ? {} : { height }),
    ...(width === undefined ? {} : { width }),
    ...(channels === undefined ? {} : { channels }),
    ...(own.fit === undefined ? {} : { fit: own.fit }),
    ...(own.background === undefined ? {} : { background: own.background }),
  }
}

/** The image section with what training took over from its base: sizes where nothing is said, fit and background in any case. */
export function adoptedImage(
  { data: { image } }: ImageClassificationConfig,
  { height, width, channels, fit, background }: ImagePreprocessing,
): ImageSection {
  const sizes = { height: image.height ?? height, width: image.width ?? width, channels: image.channels ?? channels }
  return { ...image, ...sizes, fit, background }
}

/** Preparation, base and head. */
export function startImage(
  config: ImageClassificationConfig,
  data: TaskData,
  base: TaskBase,
): { layers: readonly Layer[]; start: TaskStart } {
  const from = config.from!
  const input = pictureInput(base)
  const pixels = from.pixels ?? base.image?.pixels ?? { scale: 1 / 255, mean: [0], std: [1] }
  const prepare = input.dtype === 'uint8' ? undefined : pictures(pixels, input.layout)
  const made = transfer(base.graph, {
    ...{ train: from.train, output: from.output, head: from.head, units: data.labels.length, hash: base.hash },
    around: base.around,
    ...{ learningRateFactor: from.learningRateFactor, layerDecay: from.layerDecay, unfreeze: from.unfreeze },
    ...{
      batchNormalization: from.batchNormalization,
      ...(from.dropout === undefined ? {} : { dropout: from.dropout }),
    },
  })
  checkPictures(base, input, exampleShape(columnOf(data.splits.train, 'image')))
  const { groups, output } = made
  return {
    layers: [...(prepare ? [prepare] : []), made.model],
    start: { base: made.base, groups, output, prepare },
  }
}

function checkPictures({ name }: TaskBase, input: PictureInput, [channels, height, width]: readonly number[]): void {
  const found = { channels, height, width }
  for (const key of ['channels', 'height', 'width'] as const) {
    if (input[key] === undefined || input[key] === found[key]) continue
    throw new QuernError('input', `the pictures have ${key} ${found[key]}, ${name} was exported for ${input[key]}`, {
      hint: 'Start from a model for pictures of this size, or one with open axes.',
    })
  }
}

/** uint8 `[batch, channels, height, width]` as the float32 that the base was trained on. */
function pictures({ scale, mean, std }: PixelSection, layout: PictureInput['layout']): Layer {
  return layer({
    kind: 'pictures',
    config: { scale, mean, std, layout },
    apply: ({ g }, [x]) => {
      const channels = x!.type!.shape![1] as number
      const each = (values: readonly number[], what: string): readonly number[] => {
        if (values.length !== 1 && values.length !== channels) {
          throw new QuernError(
            'config',
            `the model takes pixels with a ${what} for each of ${values.length} channels, the pictures have ${channels}`,
            {
              hint: `Leave data.image.channels out or make it ${values.length}, or give from.pixels with one ${what} in the place of what preprocessor_config.json says.`,
            },
          )
        }
        return Array.from({ length: channels }, (_, i) => values[values.length === 1 ? 0 : i]!)
      }
      const [means, deviations] = [each(mean, 'mean'), each(std, 'std')]
      const shape = [1, channels, 1, 1]
      const factor = g.constant(
        float32(
          shape,
          deviations.map((deviation) => scale / deviation),
        ),
        'pixel_scale',
      )
      const shift = g.constant(
        float32(
          shape,
          means.map((value, i) => -value / deviations[i]!),
        ),
        'pixel_shift',
      )
      const scaled = g.mul(g.cast(x!, 'float32'), factor)
      const shifted = means.every((value) => value === 0) ? scaled : g.add(scaled, shift)
      return layout === 'channels last' ? g.transpose(shifted, [0, 2, 3, 1]) : shifted
    },
  })
}
