/** THE table of benchmarks: a record a line. Records are light: what they measure is imported when they run. */
import { ames } from './ames.ts'
import { breastCancer } from './breast-cancer.ts'
import { churn } from './churn.ts'
import { cnnStep } from './cnn-step.ts'
import { ctcLoss } from './ctc-loss.ts'
import { dataWait } from './data-wait.ts'
import { featureCache } from './feature-cache.ts'
import { ganStep } from './gan-step.ts'
import { gemmShare } from './gemm-share.ts'
import { gptStep } from './gpt-step.ts'
import { imageLoader } from './image-loader.ts'
import { importTime } from './import-time.ts'
import { ingest } from './ingest.ts'
import { kernelSpeed } from './kernels.ts'
import { largerThanMemory } from './larger-than-memory.ts'
import { lora100m } from './lora-100m.ts'
import { lstmStep } from './lstm-step.ts'
import { memoryGpt } from './memory-gpt.ts'
import { mnistBest } from './mnist-best.ts'
import { mnistCnn } from './mnist-cnn.ts'
import { mnistMemory } from './mnist-memory.ts'
import { mnistMlp } from './mnist-mlp.ts'
import { onnxConformance } from './onnx-conformance.ts'
import { pima } from './pima.ts'
import { predictLatency } from './predict-latency.ts'
import type { BenchRecord } from './record.ts'
import { resnetStep } from './resnet-step.ts'
import { scaling } from './scaling.ts'
import { serveBatching } from './serve-batching.ts'
import { serveOverhead } from './serve-overhead.ts'
import { serveOverload } from './serve-overload.ts'
import { servePeer } from './serve-peer.ts'
import { serveSoak } from './serve-soak.ts'
import { serveSwap } from './serve-swap.ts'
import { serveWatching } from './serve-watching.ts'
import { transferKeyword } from './transfer-keyword.ts'
import { transferOcr } from './transfer-ocr.ts'
import { wavenetStep } from './wavenet-step.ts'

export const records: readonly BenchRecord[] = [
  mnistCnn,
  mnistMlp,
  mnistBest,
  breastCancer,
  pima,
  churn,
  ames,
  cnnStep,
  gptStep,
  resnetStep,
  lstmStep,
  wavenetStep,
  ctcLoss,
  ganStep,
  featureCache,
  gemmShare,
  mnistMemory,
  memoryGpt,
  lora100m,
  scaling,
  transferKeyword,
  transferOcr,
  importTime,
  ingest,
  largerThanMemory,
  predictLatency,
  imageLoader,
  dataWait,
  kernelSpeed,
  onnxConformance,
  serveOverhead,
  serveBatching,
  serveOverload,
  serveSwap,
  servePeer,
  serveSoak,
  serveWatching,
]
