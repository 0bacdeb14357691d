/** Model bundles: written, opened, put to work. Environment-neutral: the same code runs in Node and in a browser. */
export {
  type Bundle,
  type BundleContent,
  openBundle,
  writeBundle,
} from './bundle.ts'
export { type ExportedInput, type ExportOptions, exportGraph } from './export-graph.ts'
export {
  type BatchOptions,
  createPipeline,
  type Inputs,
  type Outcome,
  type Pipeline,
  type PipelineOptions,
} from './pipeline.ts'
export type { Answer, Estimate, PredictInput, Prediction, PredictOptions, Row } from './task-pipeline.ts'
export { taskPipelineOf } from './tasks.ts'
export { memoryFiles } from './zip.ts'
