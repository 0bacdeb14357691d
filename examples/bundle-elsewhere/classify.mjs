// A model of Quern without Quern: model.onnx takes pixels as they are (uint8, channels first) and answers with probabilities.
//     node examples/bundle-elsewhere/classify.mjs MODEL_FOLDER PICTURE
import { readFileSync } from 'node:fs'
import ort from 'onnxruntime-node'
import sharp from 'sharp'

const [folder, picture] = process.argv.slice(2)
const {
  labels,
  preprocessing: { height, width, channels },
} = JSON.parse(readFileSync(`${folder}/quern.json`, 'utf8'))
const image = sharp(picture).flatten({ background: '#fff' }).resize(width, height, { fit: 'cover' })
const pixels = await (channels === 1 ? image.toColourspace('b-w') : image.toColourspace('srgb')).raw().toBuffer()
const planes = Uint8Array.from(
  pixels,
  (_, i) => pixels[(i % (width * height)) * channels + Math.floor(i / (width * height))],
)
const session = await ort.InferenceSession.create(`${folder}/model.onnx`)
const { probabilities } = await session.run({ image: new ort.Tensor('uint8', planes, [1, channels, height, width]) })
for (const [i, label] of labels.entries()) console.log(`${probabilities.data[i].toFixed(4)}  ${label}`)
