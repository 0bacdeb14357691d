/** Image classification: one label for each picture. */
import { z } from 'zod'
import {
  commonSections,
  type SplitInput,
  type SplitSection,
  splitSection,
  type TrainInput,
} from '../contract/config.ts'
import { type FromInput, fromSection } from '../contract/from.ts'
import type { Manifest } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'
import { type AugmentConfig, createAugment } from '../data/augment.ts'
import { columnOf, exampleShape } from '../data/dataset.ts'
import { splitByFold } from '../data/fold-split.ts'
import type { LabelRule } from '../data/labelled-files.ts'
import { loadPictures } from '../data/picture-source.ts'
import { profileImages } from '../data/profile.ts'
import { type Splits, splitByShare } from '../data/split.ts'
import { type Layer, rescaling, sequential } from '../nn/index.ts'
import { classificationScorer } from '../train/scores.ts'
import { classesOf, classLoss } from './class-loss.ts'
import { type ImageModelName, imageModelNames, imageModels } from './image-models.ts'
import { imageStarter } from './image-starter.ts'
import { adoptedImage, adoptImage, startImage } from './image-transfer.ts'
import { classAnswer, probabilities } from './probabilities.ts'
import { reportClasses } from './report-classes.ts'
import type { LoadOptions, Task, TaskBase, TaskConfig, TaskData, TaskNetwork } from './task.ts'

/** What every picture is made into. IDX files have a size of their own. */
export interface ImageSection {
  /** default 64 */
  readonly height?: number | undefined
  /** default 64 */
  readonly width?: number | undefined
  /** 1: grey, 3: colour (default) */
  readonly channels?: 1 | 3 | undefined
  readonly fit: 'cover' | 'contain' | 'fill'
  /** red, green and blue behind transparent pixels and borders */
  readonly background: readonly [number, number, number]
}

export interface ImageDataSection {
  /** folder with one folder of pictures a class (or train/, validation/, test/ above them), or with IDX files */
  readonly source: string
  /** where the label of a picture comes from */
  readonly label: LabelRule
  /** class names of IDX files, in the order of their numbers */
  readonly labels?: readonly string[] | undefined
  readonly image: ImageSection
  /** a picture that cannot be read: stop, or leave it out and say so */
  readonly onBroken: 'fail' | 'skip'
  /** how the data is divided where it is not divided already */
  readonly split: SplitSection
}

export interface ImageClassificationConfig extends TaskConfig {
  readonly task: 'image-classification'
  readonly data: ImageDataSection
  /** a network by name, or layers of your own from `quern/nn` */
  readonly model: ImageModelName | Layer
  /** random changes to training pictures, drawn anew in every epoch */
  readonly augment?: AugmentConfig | undefined
}

/** What a user writes: everything with a default may be left out. */
export interface ImageClassificationInput
  extends Partial<Omit<ImageClassificationConfig, 'task' | 'data' | 'train' | 'from'>>,
    Pick<ImageClassificationConfig, 'task'> {
  readonly data: Pick<ImageDataSection, 'source'> &
    Partial<Omit<ImageDataSection, 'source' | 'image' | 'split'>> & {
      readonly image?: Partial<ImageSection>
      readonly split?: SplitInput
    }
  readonly train?: TrainInput
  /** a model to start from, in the place of `model`: its path, or settings */
  readonly from?: FromInput | undefined
}

const size = z.int().positive().max(16384)
const byte = z.int().min(0).max(255)
const probability = z.union([z.boolean(), z.number().min(0).max(1)])
const share = z.number().min(0).max(1)

/** A layer of quern/nn, written in the configuration itself. */
const ownModel = z.custom<Layer>(
  (value) => typeof value === 'function' && 'apply' in value && 'kind' in value,
  `expected one of ${imageModelNames.map((name) => `'${name}'`).join(', ')} or a layer made with quern/nn`,
)

const image = z.strictObject({
  height: size.optional(),
  width: size.optional(),
  channels: z.union([z.literal(1), z.literal(3)]).optional(),
  fit: z.enum(['cover', 'contain', 'fill']).default('cover'),
  background: z.tuple([byte, byte, byte]).readonly().default([255, 255, 255]),
})

const augment = z.strictObject({
  flipHorizontal: probability.optional(),
  flipVertical: probability.optional(),
  shift: z.union([share, z.tuple([share, share]).readonly()]).optional(),
  rotate: z.number().min(0).max(180).optional(),
  crop: z.int().positive().optional(),
  cutout: share.optional(),
  fill: byte.optional(),
})

const schema = z.strictObject({
  task: z.literal('image-classification'),
  ...commonSections,
  data: z.strictObject({
    source: z.string().min(1),
    label: z
      .union([
        z.literal('folder'),
        z.strictObject({ pattern: z.string().min(1) }),
        z.strictObject({
          table: z.string().min(1),
          file: z.string().min(1).default('file'),
          label: z.string().min(1).default('label'),
        }),
      ])
      .default('folder'),
    labels: z.array(z.string()).min(2).optional(),
    image: image.prefault({}),
    onBroken: z.enum(['fail', 'skip']).default('fail'),
    split: splitSection.prefault({}),
  }),
  model: z.union([z.enum(imageModelNames), ownModel]).default('cnn'),
  from: fromSection.optional(),
  augment: augment.optional(),
  metrics: z.array(z.union([z.string(), z.looseObject({ name: z.string() })])).default(['accuracy']),
})

async function load(config: ImageClassificationConfig, options: LoadOptions): Promise<TaskData> {
  const { source, label, labels, image, onBroken, split } = config.data
  const { skipBroken, ...rest } = options
  const broken = skipBroken ? 'skip' : onBroken
  const loaded = await loadPictures(source, { ...image, label, labels, onBroken: broken, ...rest })
  const random = createRandom(config.seed).fork('split')
  const stratify = split.stratified ? { stratify: 'label' } : {}
  const shares = { validation: split.validation, test: split.test }
  const given: Splits = loaded.splits ?? {}
  if (split.folds !== undefined && !loaded.all) {
    throw new QuernError('config', `data.split.folds divides all examples, ${source} is divided already`, {
      hint: 'Remove data.split.folds, or put all pictures into one folder for each class.',
    })
  }
  const splits: Splits = loaded.all
    ? split.folds === undefined
      ? splitByShare(loaded.all, { ...shares, ...stratify }, random)
      : splitByFold(loaded.all, { ...split, folds: split.folds }, random)
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
    profile: () =>
      profileImages({
        splits: { ...splits, train },
        report: loaded.report,
        ...(loaded.originals ? { originals: loaded.originals } : {}),
      }),
    preprocessing: { kind: 'image', ...loaded.form },
  }
}

function network(config: ImageClassificationConfig, data: TaskData, base?: TaskBase): TaskNetwork {
  const { splits, labels } = data
  const start = base && startImage(config, data, base)
  const own = typeof config.model === 'string' ? imageModels[config.model](labels.length) : config.model
  const body = start ? start.layers : [rescaling({ scale: 1 / 255 }), own]
  return {
    ...(start ? { start: start.start } : {}),
    model: sequential([...body, probabilities]),
    inputs: [{ name: 'image', dtype: 'uint8', shape: exampleShape(columnOf(splits.train, 'image')) }],
    target: { name: 'label', dtype: 'int32', shape: [] },
    outputs: [
      { name: 'probabilities', loss: classLoss(config.train, classesOf(splits.train)), ...classAnswer(labels) },
    ],
  }
}

export const imageClassification: Task<ImageClassificationConfig> = {
  name: 'image-classification',
  summary: 'one label for each picture, from folders of pictures or IDX files',
  schema: schema as unknown as z.ZodType<ImageClassificationConfig>,
  load,
  network,
  adopt: (config, base) => ({ ...config, data: { ...config.data, image: adoptImage(config, base) } }),
  adopted: (config, { preprocessing }) =>
    preprocessing.kind === 'image'
      ? { ...config, data: { ...config.data, image: adoptedImage(config, preprocessing) } }
      : config,
  augment: ({ augment }) => (augment ? { column: 'image', apply: createAugment(augment), config: augment } : undefined),
  atFold: (config, at) => ({ ...config, data: { ...config.data, split: { ...config.data.split, ...at } } }),
  scorer: ({ metrics }) => classificationScorer(metrics),
  report: reportClasses,
  checkPreprocessing,
  pictures: 'image',
  starter: ({ source = './photos', name, target }) => {
    if (target === undefined) return imageStarter({ source, name })
    throw new QuernError('config', "pictures have labels and no target: leave out '--target'", {
      hint: 'Tasks on tables have one: tabular-classification, tabular-regression, tabular-multilabel.',
    })
  },
}

/** Pictures that were made otherwise would be scored as if the model were worse than it is. */
function checkPreprocessing(data: TaskData, manifest: Manifest, what: string): void {
  const models = { ...manifest.preprocessing } as Readonly<Record<string, unknown>>
  for (const [key, value] of Object.entries(data.preprocessing)) {
    const [here, there] = [JSON.stringify(value), JSON.stringify(models[key])]
    if (here === there) continue
    throw new QuernError(
      'config',
      `${what} takes pictures with ${key} ${there}; the configuration makes them with ${here}`,
      {
        hint: `Set data.image.${key} to ${there}, or train again.`,
      },
    )
  }
}
