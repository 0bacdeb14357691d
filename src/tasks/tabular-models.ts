/** The networks that a task on a table can ask for by name: what each can be told, and its layers. */
import { z } from 'zod'
import { dense, dropout, ftTransformer, type Layer, layer, sequential, tabularResNet } from '../nn/index.ts'

/** Dense layers. */
export interface MlpSection {
  readonly name: 'mlp'
  /** units of each hidden layer */
  readonly hidden: readonly number[]
  /** behind each hidden layer */
  readonly dropout: number
  /** of the features, before anything reads them */
  readonly inputDropout: number
  /** adds a linear model of the features to the answer */
  readonly wide: boolean
}

/** Residual blocks (Gorishniy et al. 2021). */
export interface TabularResNetSection {
  readonly name: 'resnet'
  readonly width: number
  /** units inside of a block */
  readonly hidden: number
  readonly blocks: number
  readonly hiddenDropout: number
  readonly residualDropout: number
  readonly inputDropout: number
}

/** Attention over the columns (Gorishniy et al. 2021). */
export interface FtTransformerSection {
  readonly name: 'ftTransformer'
  /** numbers of a column's token */
  readonly size: number
  readonly blocks: number
  readonly heads: number
  readonly attentionDropout: number
  readonly feedForwardDropout: number
  readonly residualDropout: number
}

export type TabularModelSection = MlpSection | TabularResNetSection | FtTransformerSection

type Given<Section extends TabularModelSection> = Partial<Section> & Pick<Section, 'name'>

/** As a user writes it. */
export type TabularModelInput =
  | 'linear'
  | TabularModelSection['name']
  | Given<MlpSection>
  | Given<TabularResNetSection>
  | Given<FtTransformerSection>
  | Layer

const rate = (value: number) => z.number().min(0).lt(1).default(value)
const count = (value: number) => z.int().positive().default(value)

const mlp = z.strictObject({
  name: z.literal('mlp'),
  hidden: z.array(z.int().positive()).min(1).default([64, 32]),
  dropout: rate(0.1),
  inputDropout: rate(0),
  wide: z.boolean().default(true),
})

const resnet = z.strictObject({
  name: z.literal('resnet'),
  width: count(128),
  hidden: count(256),
  blocks: count(2),
  hiddenDropout: rate(0.2),
  residualDropout: rate(0),
  inputDropout: rate(0),
})

const transformer = z.strictObject({
  name: z.literal('ftTransformer'),
  size: count(64),
  blocks: count(3),
  heads: count(8),
  attentionDropout: rate(0.2),
  feedForwardDropout: rate(0.1),
  residualDropout: rate(0),
})

const sections = z.discriminatedUnion('name', [mlp, resnet, transformer])
export const tabularModelNames: readonly string[] = [
  'mlp',
  'resnet',
  'ftTransformer',
] satisfies readonly TabularModelSection['name'][]

const ownModel = z.custom<Layer>(
  (value) => typeof value === 'function' && 'apply' in value && 'kind' in value,
  'a layer made with quern/nn',
)

/** The model of a configuration: a name, a name with settings, or layers. */
export const tabularModel: z.ZodType<'linear' | TabularModelSection | Layer> = z
  .union([
    z.literal('linear'),
    z.enum(tabularModelNames as [string, ...string[]]).transform((name) => sections.parse({ name })),
    sections,
    ownModel,
  ])
  .default(() => mlp.parse({ name: 'mlp' }))

/**
 * What the layers read: 'linear': features for a model without hidden layers; 'features': `[batch, n]`; a number: a token of that size for
 * each column, `[batch, columns, size]`.
 */
export type FeatureForm = 'linear' | 'features' | number

export interface TableLayers {
  readonly body: Layer
  readonly form: FeatureForm
}

/** A linear model and a deep one, added up (Cheng et al. 2016, "Wide & deep learning"): what is linear need not be learnt by hidden units. */
function wideAndDeep(deep: Layer, units: number): Layer {
  const wide = dense({ units, kernelInitializer: 'zeros', useBias: false })
  return layer({
    kind: 'wideAndDeep',
    config: { wide: { kind: wide.kind, ...wide.config }, deep: { kind: deep.kind, ...deep.config } },
    apply: (c, [x]) => c.g.add(c.inner('wide', wide, [x!]), c.inner('deep', deep, [x!])),
  })
}

function denseLayers({ hidden, dropout: share, wide }: MlpSection, units: number): Layer {
  const layers = hidden.flatMap((size) => [
    dense({ units: size, activation: 'relu', kernelInitializer: 'heUniform' }),
    ...(share > 0 ? [dropout({ rate: share })] : []),
  ])
  const deep = sequential([...layers, dense({ units })])
  return wide ? wideAndDeep(deep, units) : deep
}

/** The layers that a configuration asks for, with `units` numbers at the end. */
export function tableLayers(model: 'linear' | TabularModelSection | Layer, units: number): TableLayers {
  if (model === 'linear') return { body: sequential([dense({ units })]), form: 'linear' }
  if (typeof model === 'function') return { body: model, form: 'features' }
  if (model.name === 'ftTransformer') {
    const { name: _, size, ...options } = model
    return { body: ftTransformer({ units, ...options }), form: size }
  }
  const { inputDropout } = model
  const body = model.name === 'mlp' ? denseLayers(model, units) : residualLayers(model, units)
  return { body: inputDropout > 0 ? sequential([dropout({ rate: inputDropout }), body]) : body, form: 'features' }
}

function residualLayers({ name: _, inputDropout: __, ...options }: TabularResNetSection, units: number): Layer {
  return tabularResNet({ units, ...options })
}
