/** A model that starts from another: the imported part, a head fitted to the task, and how fast each layer learns. */
import { QuernError } from '../../core/errors.ts'
import { escaped, exactly } from '../../core/patterns.ts'
import type { Graph } from '../../graph/graph.ts'
import type { OpTable } from '../../ops/op.ts'
import { cut } from '../../passes/cut.ts'
import type { Layer } from '../layer.ts'
import { input, model, sequential } from '../model.ts'
import { defaultHeadPlace, head } from './head.ts'
import { importedLayers } from './layers.ts'
import { type ImportedModel, type ImportedOptions, importedModel } from './model.ts'
import { selectWeights, type WeightSelection } from './selection.ts'

export interface TransferOptions extends Pick<ImportedOptions, 'dropout' | 'batchNormalization' | 'hash'> {
  /** weights of the base that are trained; default 'none', with head 'keep' and nothing around the base 'all' */
  readonly train?: WeightSelection | undefined
  /** value or node behind which the head stands; default: what the last layer takes */
  readonly output?: string | undefined
  /** a layer of your own, settings of dense layers, or 'keep': the base's own output */
  readonly head?: Layer | 'keep' | { readonly hidden?: readonly number[]; readonly dropout?: number } | undefined
  /** outputs of the head; not needed for a layer of your own and for 'keep' */
  readonly units?: number | undefined
  /** of the head's last layer; default: none */
  readonly activation?: 'softmax' | 'sigmoid' | undefined
  /** multiplies the learning rate of the base's weights; default 1 */
  readonly learningRateFactor?: number | undefined
  /** multiplies it once more for each layer further from the head; default 1 */
  readonly layerDecay?: number | undefined
  /** weights that are trained from an epoch on, besides `train` */
  readonly unfreeze?: readonly { readonly epoch: number; readonly train: WeightSelection }[] | undefined
  /** what stands in the place of the base and takes and gives the same, such as the base with adapters; its name must be 'base' */
  readonly around?: ((base: ImportedModel) => Layer) | undefined
  readonly table?: OpTable | undefined
}

/** Parameters of the base with a rate or a beginning of their own: groups for training. */
export interface TransferGroup {
  readonly parameters: readonly RegExp[]
  readonly learningRateFactor?: number
  readonly fromEpoch?: number
}

export interface Transfer {
  /** base and head; parameters are 'base/<name in the file>' and 'head/output/kernel' */
  readonly model: Layer
  readonly base: ImportedModel
  readonly groups: readonly TransferGroup[]
  /** name of the value behind which the head stands */
  readonly output: string
}

/**
 * Puts a head behind an imported model.
 *
 * Errors: as `importedModel`; 'config' when the number of outputs is not said, or nothing would be trained.
 *
 * @example
 * const { model, groups } = transfer(graph, { units: 3, activation: 'softmax', train: { last: 2 }, learningRateFactor: 0.1 })
 * for await (const event of fit(model, { x, y, loss: 'sparseCategoricalCrossentropy', groups })) ...
 */
export function transfer(graph: Graph, options: TransferOptions = {}): Transfer {
  const { head: given = {}, units, activation, unfreeze = [], around, hash, table } = options
  const { dropout, batchNormalization } = options
  const keeps = given === 'keep'
  const output = options.output ?? (keeps ? undefined : defaultHeadPlace(graph, importedLayers(graph)))
  const part = output === undefined ? graph : cut(graph, { outputs: [output] })
  const layers = importedLayers(part)
  const first = options.train ?? (keeps && !around ? 'all' : 'none')
  const stages = [{ epoch: 1, train: first }, ...unfreeze]
  const begins = new Map<string, number>()
  for (const { epoch, train } of stages.toSorted((a, b) => a.epoch - b.epoch)) {
    const what = epoch === 1 ? 'from.train' : `from.unfreeze (epoch ${epoch}) train`
    for (const name of selectWeights(layers, train, what)) if (!begins.has(name)) begins.set(name, epoch)
  }
  const names = [...begins.keys()]
  const base = importedModel(part, {
    name: 'base',
    train: names.length === 0 ? 'none' : names.map(exactly),
    ...{ dropout, batchNormalization, hash, table },
  })
  if (keeps && !around && names.length === 0) {
    const why = layers.length === 0 ? 'the model has no weights that can be trained' : "from.train is 'none'"
    throw new QuernError('config', `nothing is trained: the head is kept and ${why}`, {
      hint: 'Leave head out: a new one is trained behind what is frozen.',
    })
  }
  return {
    model: behind(around?.(base) ?? base, base.inputs, keeps ? undefined : headFrom(given, units, activation)),
    base,
    groups: groupsOf(base, begins, options),
    output: output ?? part.outputs[0]!.name,
  }
}

/** The base, and what stands behind it. */
function behind(base: Layer, specs: ImportedModel['inputs'], last: Layer | undefined): Layer {
  if (specs.length === 1) return sequential(last ? [base, last] : [base])
  const inputs = specs.map((spec) => input(spec))
  const features = base(inputs)
  return model({ inputs, outputs: last ? last(features) : features })
}

function headFrom(
  given: NonNullable<TransferOptions['head']>,
  units: number | undefined,
  activation: TransferOptions['activation'],
): Layer {
  if (typeof given === 'function') return given
  if (units !== undefined) return head({ ...(given as object), units, activation })
  throw new QuernError('config', 'a new head needs the number of its outputs: units')
}

/** Weights of one rate and one beginning are one group; those that are trained as the head is are in none. */
function groupsOf(
  base: ImportedModel,
  begins: ReadonlyMap<string, number>,
  { learningRateFactor = 1, layerDecay = 1 }: TransferOptions,
): readonly TransferGroup[] {
  const groups = new Map<string, { factor: number; epoch: number; names: Set<string> }>()
  const seen = new Set<string>()
  for (const [distance, layer] of base.layers.toReversed().entries()) {
    const factor = learningRateFactor * layerDecay ** (distance + (layerDecay === 1 ? 0 : 1))
    for (const { name } of layer.weights) {
      const epoch = begins.get(name)
      if (epoch === undefined || seen.has(name) || (factor === 1 && epoch === 1)) continue
      seen.add(name)
      const key = `${factor} ${epoch}`
      const group = groups.get(key) ?? { factor, epoch, names: new Set() }
      groups.set(key, group)
      group.names.add(name)
    }
  }
  return [...groups.values()].map(({ factor, epoch, names }) => ({
    parameters: [...names].map((name) => new RegExp(`(^|/)base/${escaped(name)}$`)),
    ...(factor === 1 ? {} : { learningRateFactor: factor }),
    ...(epoch === 1 ? {} : { fromEpoch: epoch }),
  }))
}
