/** Adapters: small trained parts beside frozen weights. */

export { type AdaptedGraph, adapterStart, adaptGraph } from './adapt-graph.ts'
export { type AdaptedOptions, adaptedModel } from './adapted-model.ts'
export { type Adapter, adapterFrom, type BaseOptions, mergeAdapter } from './adapter.ts'
export { type Ia3Options, ia3 } from './ia3.ts'
export { type LoraOptions, lora } from './lora.ts'
export type { AdapterMethod } from './method.ts'
export { type AdapterChoice, type AdapterSession, type OpenAdaptersOptions, openAdapters } from './open-adapters.ts'
export { type PeftFiles, peftConfigFile, peftModelFile, readPeft, writePeft } from './peft.ts'
export { type QuantizeOptions, quantizeWeights } from './quantize-weights.ts'
export { findSites, type Site } from './sites.ts'
export type { Targets } from './targets.ts'
