/** Adapters: small trained parts beside frozen weights. */

export { type AdaptedGraph, adapterStart, adaptGraph } from './adapt-graph.ts'
export { type AdaptedOptions, adaptedModel } from './adapted-model.ts'
export { type Adapter, adapterFrom, type BaseOptions, mergeAdapter } from './adapter.ts'
export { type Ia3Options, ia3 } from './ia3.ts'
export { type LoraOptions, lora } from './lora.ts'
export type { AdapterMethod } from './method.ts'
export { findSites, type Site } from './sites.ts'
export type { Targets } from './targets.ts'
