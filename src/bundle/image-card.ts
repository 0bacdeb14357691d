/** What the model card says of pictures: what goes in, code for the bundle in Quern and for model.onnx alone, and limits. */
import type { ImagePreprocessing } from '../contract/manifest.ts'
import { QuernError } from '../core/errors.ts'
import { fenced } from './markdown.ts'
import type { CardParts, Described } from './task-pipeline.ts'

/** The manifest's preprocessing, which must be that of pictures. */
export function imagePreprocessing({ preprocessing, task }: Described, what: string): ImagePreprocessing {
  if (preprocessing.kind === 'image') return preprocessing
  throw new QuernError(
    'input',
    `${what}: quern.json: ${task} takes pictures, 'preprocessing' is of ${preprocessing.kind}`,
  )
}

const formOf = (manifest: Described): ImagePreprocessing => imagePreprocessing(manifest, 'the new bundle')

export const imageCard: CardParts = {
  about(manifest) {
    const { channels, height, width, fit } = formOf(manifest)
    const colour = channels === 1 ? 'grey' : 'colour'
    return [
      `it takes a ${colour} picture, made ${width} x ${height} pixels`,
      `(${fit}), and gives each of ${manifest.labels.length} labels a probability.`,
      'Scaling of the pixels is inside the graph: it takes the numbers from 0 to 255 as they are.',
    ].join('\n')
  },
  usage,
  limits(manifest) {
    const { labels, metrics, lineage } = manifest
    const tested = lineage.data.examples.test
    const { height, width } = formOf(manifest)
    return [
      `It knows ${labels.length} labels and always chooses among them, also for a picture that shows none of them.`,
      metrics.test && tested !== undefined
        ? `The metrics hold for pictures like the ${tested} of the test split. On other cameras, places or times they can be far lower.`
        : 'No independent test set was used: how good the model is on new pictures is not known.',
      'It was not examined for pictures made to deceive it.',
      `Pictures are reduced to ${width} x ${height} pixels: smaller details are lost.`,
    ]
  },
}

/** Three snippets, with the names and sizes of this model in them. */
function usage(manifest: Described): string {
  return [
    'With Quern, which decodes pictures exactly as in training:',
    fenced('ts', quern),
    'With ONNX Runtime in JavaScript, given the pixels as bytes in the order channel, row, column:',
    fenced('ts', javascript(manifest)),
    'With ONNX Runtime in Python. Pillow resizes a little differently from Quern, so scores can differ in the last digits, and',
    'more for pictures that are much larger than the input:',
    fenced('python', python(manifest)),
  ].join('\n\n')
}

const quern = `import { pipeline } from 'quern'

const classify = await pipeline('image-classification', '.') // this folder
console.log(await classify('picture.png')) // [{ label, score }, ...]`

function javascript(manifest: Described): string {
  const { inputs, outputs } = manifest
  const { channels, height, width } = formOf(manifest)
  const [input, output] = [JSON.stringify(inputs[0]!.name), JSON.stringify(outputs[0]!.name)]
  return `import { InferenceSession, Tensor } from 'onnxruntime-node' // or onnxruntime-web

const session = await InferenceSession.create('model.onnx')
const pixels = new Uint8Array(${channels} * ${height} * ${width}) // your picture
const feeds = { [${input}]: new Tensor('uint8', pixels, [1, ${channels}, ${height}, ${width}]) }
const { [${output}]: result } = await session.run(feeds)
console.log(result.data) // one probability for each label`
}

function python(manifest: Described): string {
  const { inputs, outputs } = manifest
  const { channels, height, width, fit, background } = formOf(manifest)
  const mode = channels === 1 ? 'L' : 'RGB'
  const colour = `(${background.join(', ')})`
  const size = `(${width}, ${height})`
  const resized = {
    cover: `ImageOps.fit(picture, ${size}, Image.LANCZOS)`,
    contain: `ImageOps.pad(picture, ${size}, Image.LANCZOS, color=${colour})`,
    fill: `picture.resize(${size}, Image.LANCZOS)`,
  }[fit]
  const planes = channels === 1 ? 'pixels[None, None]' : 'pixels.transpose(2, 0, 1)[None]'
  return `import json
import numpy as np
import onnxruntime as ort
from PIL import Image, ImageOps

labels = json.load(open("quern.json", encoding="utf-8"))["labels"]
picture = ImageOps.exif_transpose(Image.open("picture.png")).convert("RGBA")
picture = Image.alpha_composite(Image.new("RGBA", picture.size, (*${colour}, 255)), picture).convert("RGB")
pixels = np.asarray(${resized}.convert("${mode}"), dtype=np.uint8)
session = ort.InferenceSession("model.onnx")
(scores,) = session.run([${JSON.stringify(outputs[0]!.name)}], {${JSON.stringify(inputs[0]!.name)}: ${planes}})
for i in np.argsort(-scores[0])[:5]:
    print(labels[i], scores[0][i])`
}
