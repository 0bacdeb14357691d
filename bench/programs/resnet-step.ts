/**
 * Training steps of ResNet-18 (He et al. 2016) on small pictures, the counterpart of peers/torch_resnet_step.py: a first convolution of 3 x 3
 * without pooling, as is usual for CIFAR; momentum. usage: resnet-step FILE_OF_EXAMPLES BATCH,CHANNELS,SIZE,CLASSES STEPS THREADS [PROFILE_PREFIX]
 */
import { createRandom } from '../../src/core/random.ts'
import * as nn from '../../src/nn/index.ts'
import { table } from '../../src/ops/index.ts'
import { sgd } from '../../src/optim/index.ts'
import { gradientRules } from '../../src/optim/update.ts'
import { createNodeBackend } from '../../src/runtime/onnxruntime-node.ts'
import { createTrainingStep } from '../../src/train/step.ts'
import { readPictures } from './example-files.ts'
import { measureSteps, stepArguments } from './measured-steps.ts'
import { drawAsTorchLinear } from './torch-linear.ts'

const { file, sizes, steps, session } = stepArguments()
const [batchSize = 32, channels = 3, size = 32, classes = 10] = sizes
const learningRate = 0.01

const step = await createTrainingStep({
  network: {
    model: nn.resnet18({ classes, activation: 'linear' }),
    loss: nn.sparseCategoricalCrossentropy({ fromLogits: true }),
    inputs: [{ name: 'pixels', dtype: 'float32', shape: [channels, size, size] }],
    target: { name: 'labels', dtype: 'int32', shape: [] },
    table,
  },
  optimizer: sgd({ learningRate, momentum: 0.9 }),
  backend: createNodeBackend(),
  session,
  random: createRandom(1),
  batchSize,
  evaluationBatchSize: batchSize,
  rules: gradientRules({}),
})
drawAsTorchLinear(step, 'dense')
const { pictures, labels, count } = readPictures(file, channels * size * size)
const [images, classNumbers] = [step.batch.pixels!.data as Float32Array, step.batch.labels!.data as Int32Array]
const length = channels * size * size

await measureSteps(
  async (i) => {
    const at = (i * batchSize) % (count - batchSize + 1)
    images.set(pictures.subarray(at * length, (at + batchSize) * length))
    classNumbers.set(labels.subarray(at, at + batchSize))
    return (await step.run(batchSize, i + 1, learningRate)).loss
  },
  steps,
  step,
)
