/** Which parameters are updated alike: runs of neighbours in the arena, so that an update is a few kernel calls. */
import { QuernError } from '../core/errors.ts'
import { type Arena, type Layout, planLayout, type Region, type TensorPlace } from '../runtime/arena.ts'
import type { Optimizer, Segment } from './optimizer.ts'

/** How one parameter is treated. */
export type Treatment = Pick<Segment, 'decayFactor' | 'learningRateFactor'>

/** Matrices and kernels decay; vectors and scalars (biases, scales and shifts of normalisation) do not. */
export function standardTreatment(place: TensorPlace): Treatment {
  return { decayFactor: place.shape.length >= 2 ? 1 : 0, learningRateFactor: 1 }
}

/**
 * The arena's regions that training the parameters of a layout needs: `parameters`, `gradients` and one per slot of
 * the optimizer.
 *
 * @param suffix behind every name, where several optimizers each have parameters of their own
 * @example
 * const arena = createArena({ regions: { ...trainingRegions(layout, adam()), batch } })
 */
export function trainingRegions(layout: Layout, optimizer: Optimizer, suffix = ''): Record<string, Layout> {
  const slots = optimizer.slots.map((slot) => [`${slot}${suffix}`, slotLayout(slot, layout, optimizer)] as const)
  return Object.fromEntries([[`parameters${suffix}`, layout], [`gradients${suffix}`, layout], ...slots])
}

/** The parameters' own layout object, for which one address holds in all regions, where a slot is as they are. */
function slotLayout(slot: string, layout: Layout, { slotShape }: Optimizer): Layout {
  if (!slotShape) return layout
  const places = [...layout.places.values()]
  return planLayout(places.map(({ name, dtype, shape }) => ({ name, dtype, shape: slotShape(slot, shape) })))
}

/**
 * Splits the parameters into the longest runs of equal treatment, padding included. Frozen ones (learning-rate
 * factor 0) are in no segment. An optimizer that asks for it gets a segment for each parameter.
 *
 * @param treat `(place) => treatment`, by name or shape; standardTreatment unless given
 * @param suffix of the regions, as given to trainingRegions
 * @throws QuernError for a parameter that is not float32 and for regions that do not mirror each other
 * @example
 * const head = (place) => ({ ...standardTreatment(place), learningRateFactor: place.name.startsWith('head/') ? 1 : 0.1 })
 * const segments = segmentsOf(arena, optimizer, head)
 */
export function segmentsOf(
  arena: Arena,
  optimizer: Optimizer,
  treat: (place: TensorPlace) => Treatment = standardTreatment,
  suffix = '',
): Segment[] {
  const parameters = arena.region(`parameters${suffix}`)
  const { layout } = parameters
  const regions = ['gradients', ...optimizer.slots].map((name) => arena.region(`${name}${suffix}`))
  for (const [i, region] of regions.entries()) {
    if (region.layout === layout || (i > 0 && optimizer.slotShape)) continue
    throw new QuernError('input', `region '${region.name}' of the arena must have the layout object of 'parameters'`)
  }
  const alone = optimizer.byParameter || optimizer.slotShape !== undefined
  const places = [...layout.places.values()]
  const segments: Segment[] = []
  for (let i = 0; i < places.length; ) {
    const treatment = treatmentOf(places[i]!, treat)
    const { name, shape, byteOffset: first } = places[i]!
    do i++
    while (!alone && i < places.length && same(treatmentOf(places[i]!, treat), treatment))
    const count = ((places[i]?.byteOffset ?? layout.byteLength) - first) / 4
    if (count === 0 || treatment.learningRateFactor === 0) continue
    const [gradients, ...slots] = regions.map((region) => addressOf(region, name)) as [number, ...number[]]
    const addresses = { parameters: parameters.byteOffset + first, gradients, slots }
    segments.push({ ...addresses, count, shape: alone ? shape : [count], ...treatment })
  }
  return segments
}

const addressOf = ({ byteOffset, layout }: Region, name: string) => byteOffset + layout.places.get(name)!.byteOffset

function treatmentOf(place: TensorPlace, treat: (place: TensorPlace) => Treatment): Treatment {
  if (place.dtype !== 'float32') {
    throw new QuernError('unsupported', `optimizers update float32 parameters, '${place.name}' is ${place.dtype}`, {
      hint: 'Convert the parameter to float32 before training, or keep it out of the trained parameters.',
    })
  }
  const { decayFactor, learningRateFactor } = treat(place)
  for (const factor of [decayFactor, learningRateFactor]) {
    if (!(factor >= 0 && factor < Infinity)) {
      throw new QuernError('config', `factors for parameter '${place.name}' must be numbers >= 0, received ${factor}`)
    }
  }
  return { decayFactor, learningRateFactor }
}

const same = (a: Treatment, b: Treatment) =>
  a.decayFactor === b.decayFactor && a.learningRateFactor === b.learningRateFactor
