/** Layers, models and losses: everything that writes a network. */

export type { Activation, ActivationName } from './activations.ts'
export { type AdaptivePoolingOptions, adaptiveAveragePooling, adaptiveMaxPooling } from './adaptive-pooling.ts'
export { type MultiHeadAttentionOptions, multiHeadAttention } from './attention.ts'
export { type ConvolutionOptions, conv1d, conv2d, conv3d } from './convolution.ts'
export { type DenseOptions, dense } from './dense.ts'
export {
  type DepthwiseConvolutionOptions,
  depthwiseConv1d,
  depthwiseConv2d,
  type SeparableConvolutionOptions,
  separableConv1d,
  separableConv2d,
} from './depthwise-convolution.ts'
export type { Distribution } from './distribution.ts'
export { type EmbeddingOptions, embedding } from './embedding.ts'
export { groupNormalization, instanceNormalization, rmsNormalization } from './group-normalization.ts'
export * from './imported/index.ts'
export { type Initializer, type InitializerName, initialValues } from './initializers.ts'
export type {
  CommonOptions,
  InputSpec,
  Layer,
  LayerContext,
  LayerDefinition,
  ParameterSpec,
  Regularizer,
  SymbolicTensor,
} from './layer.ts'
export { layer } from './layer.ts'
export * from './losses/index.ts'
export { masking } from './masking.ts'
export { input, type Model, model, sequential } from './model.ts'
export { type BertHead, type BertOptions, bert } from './models/bert.ts'
export { type FtTransformerOptions, ftTransformer } from './models/ft-transformer.ts'
export { type GptOptions, gpt } from './models/gpt.ts'
export { type ResNetOptions, resnet18 } from './models/resnet.ts'
export { type TabularResNetOptions, tabularResNet } from './models/tabular-resnet.ts'
export { type WaveNetBlockOptions, type WaveNetOptions, waveNet, waveNetBlock } from './models/wavenet.ts'
export {
  type BatchNormalizationOptions,
  batchNormalization,
  type LayerNormalizationOptions,
  layerNormalization,
} from './normalization.ts'
export { identity, type OperatorOptions, operator } from './operator.ts'
export {
  averagePooling1d,
  averagePooling2d,
  averagePooling3d,
  type GlobalPoolingOptions,
  globalAveragePooling,
  globalMaxPooling,
  maxPooling1d,
  maxPooling2d,
  maxPooling3d,
  type PoolingOptions,
} from './pooling.ts'
export { type PositionEmbeddingOptions, positionEmbedding, sinusoidalPositions } from './positions.ts'
export { normalization, rescaling } from './preprocessing.ts'
export {
  type BidirectionalOptions,
  bidirectional,
  type GruOptions,
  gru,
  type LstmOptions,
  lstm,
  type MergeMode,
  type RecurrentOptions,
  type SimpleRnnOptions,
  simpleRNN,
} from './recurrent.ts'
export { activation, dropout, gaussianDropout, gaussianNoise, spatialDropout } from './regularization.ts'
export {
  type Interpolation,
  pixelShuffle,
  type UpSamplingOptions,
  upSampling1d,
  upSampling2d,
  upSampling3d,
} from './resampling.ts'
export { type ResidualOptions, residual } from './residual.ts'
export { add, concatenate, flatten, multiply, permute, reshape } from './shaping.ts'
export { spectralNormalization } from './spectral-normalization.ts'
export { type SqueezeExciteOptions, squeezeExcite } from './squeeze-excite.ts'
export { timeDistributed } from './time-distributed.ts'
export { initialParameters, type Trace, type TracedDraw, type TracedParameter, Tracer, trace } from './trace.ts'
export { type TransformerOptions, transformerDecoder, transformerEncoder } from './transformer.ts'
export {
  conv1dTranspose,
  conv2dTranspose,
  conv3dTranspose,
  type TransposedConvolutionOptions,
} from './transposed-convolution.ts'
