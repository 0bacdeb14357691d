/** The part of the model card that is code: the bundle in Quern, and model.onnx alone in JavaScript and Python. */
import type { Manifest } from '../contract/manifest.ts'

/** Three snippets, with the names and sizes of this model in them. */
export function usage(manifest: Omit<Manifest, 'files'>): string {
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

function fenced(language: string, code: string): string {
  return `\`\`\`${language}\n${code}\n\`\`\``
}

const quern = `import { pipeline } from 'quern'

const classify = await pipeline('image-classification', '.') // this folder
console.log(await classify('picture.png')) // [{ label, score }, ...]`

type Described = Omit<Manifest, 'files'>

function javascript({ inputs, outputs, preprocessing }: Described): string {
  const { channels, height, width } = preprocessing
  const [input, output] = [JSON.stringify(inputs[0]!.name), JSON.stringify(outputs[0]!.name)]
  return `import { InferenceSession, Tensor } from 'onnxruntime-node' // or onnxruntime-web

const session = await InferenceSession.create('model.onnx')
const pixels = new Uint8Array(${channels} * ${height} * ${width}) // your picture
const feeds = { [${input}]: new Tensor('uint8', pixels, [1, ${channels}, ${height}, ${width}]) }
const { [${output}]: result } = await session.run(feeds)
console.log(result.data) // one probability for each label`
}

function python({ inputs, outputs, preprocessing }: Described): string {
  const { channels, height, width, fit, background } = preprocessing
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
