/** Models that others exported, as layers: their weights, where a head could stand, what of them is trained. */
export { type Blocked, blockedValues, whyBlocking } from './blockers.ts'
export { defaultHeadPlace, type HeadOptions, type HeadPlace, head, headPlaces } from './head.ts'
export { type ImportedLayer, type ImportedWeight, importedLayers, importedWeights, innerWeights } from './layers.ts'
export { countImported, type ImportedModel, type ImportedOptions, importedModel } from './model.ts'
export {
  type ChannelStatistics,
  foldedConvolutions,
  type RestoreOptions,
  restoreNormalization,
} from './restore-normalization.ts'
export { selectWeights, type WeightSelection } from './selection.ts'
export { type Transfer, type TransferGroup, type TransferOptions, transfer } from './transfer.ts'
