/** Image classification: one label for each picture. */
import { z } from 'zod'
import { commonSections, splitSection } from '../contract/config.ts'
import { QuernError } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'
import { createAugment } from '../data/augment.ts'
import { columnOf, exampleShape } from '../data/dataset.ts'
import { loadPictures } from '../data/picture-source.ts'
import { type Splits, splitByShare } from '../data/split.ts'
import { type Layer, layer, rescaling, sequential, sparseCategoricalCrossentropy } from '../nn/index.ts'
import { imageModelNames, imageModels } from './image-models.ts'
import { imageStarter } from './image-starter.ts'
import type { LoadOptions, Task, TaskConfig, TaskData, TaskNetwork } from './task.ts'

const size = z.int().positive().max(16384)
const byte = z.int().min(0).max(255)
const probability = z.union([z.boolean(), z.number().min(0).max(1)])
const share = z.number().min(0).max(1)

/** A layer of quern/nn, written in the configuration itself. */
const ownModel = z.custom<Layer>(
  (value) => typeof value === 'function' && 'apply' in value && 'kind' in value,
  `expected one of ${imageModelNames.map((name) => `'${name}'`).join(', ')} or a layer made with quern/nn`,
)

const schema = z.strictObject({
  task: z.literal('image-classification'),
  ...commonSections,
  data: z.strictObject({
    /** folder with one folder of pictures a class (or train/, validation/, test/ above them), or with IDX files */
    source: z.string().min(1),
    /** where the label of a picture comes from */
    label: z.literal('folder').default('folder'),
    /** class names of IDX files, in the order of their numbers */
    labels: z.array(z.string()).min(2).optional(),
    /** what every picture is made into; default 64 x 64 in colour. IDX files have a size of their own. */
    image: z
      .strictObject({
        height: size.optional(),
        width: size.optional(),
        channels: z.union([z.literal(1), z.literal(3)]).optional(),
        fit: z.enum(['cover', 'contain', 'fill']).default('cover'),
        background: z.tuple([byte, byte, byte]).readonly().default([255, 255, 255]),
      })
      .prefault({}),
    /** a picture that cannot be read: stop, or leave it out and say so */
    onBroken: z.enum(['fail', 'skip']).default('fail'),
    /** how the data is divided where it is not divided already */
    split: splitSection.prefault({}),
  }),
  model: z.union([z.enum(imageModelNames), ownModel]).default('cnn'),
  augment: z
    .strictObject({
      flipHorizontal: probability.optional(),
      flipVertical: probability.optional(),
      shift: z.union([share, z.tuple([share, share]).readonly()]).optional(),
      rotate: z.number().min(0).max(180).optional(),
      crop: z.int().positive().optional(),
      cutout: share.optional(),
      fill: byte.optional(),
    })
    .optional(),
  metrics: z.array(z.union([z.string(), z.looseObject({ name: z.string() })])).default(['accuracy']),
})

export type ImageClassificationConfig = z.output<typeof schema>
/** What a user writes: everything with a default may be left out. */
export type ImageClassificationInput = z.input<typeof schema>

/** Probabilities whatever a user's model ends with: scores get a softmax behind them. */
const probabilities = layer({
  kind: 'probabilities',
  config: {},
  apply: ({ g }, [x]) => {
    const last = g.builder.nodes.findLast((node) => node.outputs[0] === x)
    return last?.op === 'Softmax' ? x! : g.softmax(x!)
  },
})

async function load(config: ImageClassificationConfig, options: LoadOptions): Promise<TaskData> {
  const { source, labels, image, onBroken, split } = config.data
  const loaded = await loadPictures(source, { ...image, labels, onBroken, ...options })
  const random = createRandom(config.seed).fork('split')
  const stratify = split.stratified ? { stratify: 'label' } : {}
  const shares = { validation: split.validation, test: split.test }
  const given: Splits = loaded.splits ?? {}
  const splits: Splits = loaded.all
    ? splitByShare(loaded.all, { ...shares, ...stratify }, random)
    : given.validation || split.validation === 0 || !given.train
      ? given
      : { ...given, ...splitByShare(given.train, { validation: split.validation, ...stratify }, random) }
  const { train } = splits
  if (!train) {
    throw new QuernError(
      'input',
      `${source} has no training examples: it gives only ${Object.keys(splits).join(' and ')}`,
    )
  }
  if (train.labels.length < 2) {
    throw new QuernError(
      'input',
      `classification needs two classes or more, ${source} has ${train.labels.join(', ') || 'none'}`,
      {
        hint: 'Put the pictures of each class into a folder of their own.',
      },
    )
  }
  return {
    splits: { ...splits, train },
    labels: train.labels,
    report: loaded.report,
    ...(loaded.originals ? { originals: loaded.originals } : {}),
    preprocessing: { kind: 'image', ...loaded.form },
  }
}

function network(config: ImageClassificationConfig, data: TaskData): TaskNetwork {
  const { splits, labels } = data
  const body = typeof config.model === 'string' ? imageModels[config.model](labels.length) : config.model
  return {
    model: sequential([rescaling({ scale: 1 / 255 }), body, probabilities]),
    loss: sparseCategoricalCrossentropy({ labelSmoothing: config.train.labelSmoothing }),
    inputs: [{ name: 'image', dtype: 'uint8', shape: exampleShape(columnOf(splits.train, 'image')) }],
    target: { name: 'label', dtype: 'int32', shape: [] },
    output: 'probabilities',
  }
}

export const imageClassification: Task<ImageClassificationConfig & TaskConfig> = {
  name: 'image-classification',
  summary: 'one label for each picture, from folders of pictures or IDX files',
  schema: schema as z.ZodType<ImageClassificationConfig & TaskConfig>,
  load,
  network,
  augment: ({ augment }) => (augment ? { column: 'image', apply: createAugment(augment as never) } : undefined),
  starter: imageStarter,
}
